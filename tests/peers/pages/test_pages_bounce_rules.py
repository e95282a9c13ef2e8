"""The page of the bounce rules in a real Chromium."""

from playwright.sync_api import expect
from tests.page_world import READER
from tests.peers.pages.conftest import Open


def test_a_rule_is_added_tried_and_removed(open_page: Open) -> None:
    page = open_page("/settings/bounce-domains")
    page.get_by_role("link", name="Bounce rules").click()
    page.get_by_label("What the receiver says").first.fill("mailbox * Closed for good")
    page.get_by_label("Means").first.select_option("hard")
    page.get_by_label("Because").first.select_option("mailbox_disabled")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    expect(page.get_by_label("What the receiver says").first).to_have_value("mailbox * closed for good")
    page.get_by_label("What the receiver said").fill("550 The mailbox of bob is closed for good")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_text("own rule 1")).to_be_visible()
    page.get_by_label("What the receiver says").first.fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("What the receiver says").first).to_have_value("")


def test_what_no_rule_can_be_is_said_at_its_line_and_nothing_typed_is_lost(open_page: Open) -> None:
    page = open_page("/settings/bounce-rules")
    page.get_by_label("What the receiver says").first.fill("a*b")
    page.get_by_label("Stop marketing after").fill("30")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#match-0-wrong")).to_contain_text("at least three characters")
    expect(page.get_by_label("Stop marketing after")).to_have_value("30")


def test_who_may_not_change_them_may_read_them(open_page: Open) -> None:
    page = open_page("/settings/bounce-rules", email=READER)
    expect(page.get_by_text("Only administrators can change these.")).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
