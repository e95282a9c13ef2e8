"""Kinds of mail kept apart, as people set and see it in the browser."""

import re

import pytest
from playwright.sync_api import expect
from tests.page_world import Site
from tests.peers.pages.conftest import Open


def test_home_shows_one_class_alone_and_its_numbers_lead_to_its_messages(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_role("navigation", name="Class").get_by_role("link", name="Transactional").click()
    expect(page).to_have_url(re.compile(r"\?class=transactional$"))
    expect(page.get_by_role("navigation", name="Class").locator("[aria-current=true]")).to_have_text("Transactional")
    page.locator(".figures a").first.click()
    expect(page).to_have_url(re.compile("class=transactional"))
    assert page.locator("select[name=class]").input_value() == "transactional"


def test_a_domain_is_given_its_purpose_by_ticking(open_page: Open, new_site: Site) -> None:
    del new_site
    page = open_page("/domains")
    page.locator("a.row").first.click()
    expect(page.get_by_label("Marketing")).to_be_checked()
    page.get_by_label("Business").uncheck()
    page.get_by_label("Transactional").uncheck()
    page.get_by_role("region", name="Used for").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("Business")).not_to_be_checked()
    page.goto("/domains")
    expect(page.locator("tbody tr").first).to_contain_text("Marketing")
    page.locator("a.row").first.click()
    page.get_by_label("Business").check()
    page.get_by_label("Transactional").check()
    page.get_by_role("region", name="Used for").get_by_role("button", name="Save").click()
    page.goto("/domains")
    expect(page.locator("tbody tr").first).to_contain_text("all mail")


def test_policies_are_chosen_in_the_settings_and_stand_in_the_audit_log(open_page: Open) -> None:
    page = open_page("/settings")
    page.get_by_label("Mass mail sent as single messages").select_option("refuse")
    page.get_by_label("Mail from a domain that is used for other mail").select_option("refuse")
    page.get_by_label("Mail from a verified domain whose DNS records are missing").select_option("strict")
    page.get_by_label("Certifications and allow lists").fill("CSA, certified until June")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert page.get_by_label("Mass mail sent as single messages").input_value() == "refuse"
    page.goto("/settings/audit")
    expect(page.locator("tbody tr").first).to_contain_text("mass policy: hold → refuse")
    expect(page.locator("tbody tr").first).to_contain_text("domain policy: warn → strict")
    page.goto("/settings")
    page.get_by_label("Mass mail sent as single messages").select_option("hold")
    page.get_by_label("Mail from a domain that is used for other mail").select_option("warn")
    page.get_by_label("Mail from a verified domain whose DNS records are missing").select_option("warn")
    page.get_by_label("Certifications and allow lists").fill("")
    page.get_by_role("button", name="Save").click()


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("path", ["/", "/settings", "/domains", "/domains/{domain}", "/messages?class=transactional"])
def test_nothing_scrolls_sideways(open_page: Open, site: Site, path: str, width: int) -> None:
    page = open_page(path.format(domain=site.world.unverified_domain), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
