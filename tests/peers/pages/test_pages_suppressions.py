"""The suppression list in the browser: thousands of rows found, added, lifted, handed in and taken away as files."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.page_world import READER, Site
from tests.peers.pages.conftest import Open

from posthouse.ledger import bounced, suppression
from posthouse.ledger.bounced import Bounced, BounceType
from posthouse.ledger.suppression import EVERYTHING, MARKETING, Entry, New
from posthouse.runtime.postgres import transaction

COUNT = 3_000
LONG = "a-very-long-local-part-that-somebody-really-has-in-an-address-64chrs@" + "sub." * 20 + "example"


@pytest.fixture(scope="module", autouse=True)
def full(site: Site) -> None:
    """Thousands of entries, some with everything there is to show."""

    async def fill() -> None:
        now = site.process.clock.now()
        kinds = (Entry(MARKETING, "unsubscribe"), Entry(EVERYTHING, "hard_bounce"), Entry(MARKETING, "complaint"))
        new = [New(f"person{n:05}@there.example", kinds[n % 3]) for n in range(COUNT)]
        new.append(New(LONG, Entry(EVERYTHING, "invalid"), site.world.examples["bounced"], "<b>moved</b> " * 20))
        new.append(New("type@there.example", Entry("mailing_type:News & more", "manual"), None, "asked"))
        async with transaction(site.process.pool) as connection:
            await suppression.add_many(connection, site.world.workspace_id, new, "delivery", now)

    site.call(fill())


def test_the_list_is_searched_filtered_and_paged(open_page: Open) -> None:
    page = open_page("/suppressions")
    expect(page.locator("tbody tr")).to_have_count(50)
    first = page.locator("tbody tr").first.inner_text()
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("link", name="First page")).to_be_visible()
    assert page.locator("tbody tr").first.inner_text() != first
    page.get_by_label("Address or its beginning").fill("person0000")
    page.get_by_label("Because").select_option("complaint")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("address=person0000.*reason=complaint"))
    expect(page.locator("tbody tr")).to_have_count(3)
    page.goto("/suppressions?address=nobody-like-this")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()


def test_a_page_of_thousands_is_small_and_names_the_message_that_was_the_cause(open_page: Open, site: Site) -> None:
    page = open_page("/suppressions?address=a-very")
    assert len(page.content()) < 100_000
    expect(page.locator("tbody tr").first).to_contain_text("<b>moved</b>")
    page.get_by_role("link", name="Marked as invalid").click()
    expect(page).to_have_url(re.compile(str(site.world.examples["bounced"])))


def test_addresses_are_added_and_lifted_for_a_reason(open_page: Open) -> None:
    page = open_page("/suppressions")
    page.get_by_role("link", name="Add addresses").click()
    page.get_by_label("Addresses").fill("new@there.example\nno address")
    page.get_by_label("Receipts and the like still go.").check()
    page.get_by_role("button", name="Stop writing to them").click()
    expect(page.get_by_role("alert")).to_contain_text("no address: This is not a usable mail address.")
    page.get_by_label("Addresses").fill("New@There.example")
    page.get_by_label("One mailing type").check()
    page.get_by_label("Name of the mailing type").fill("Events")
    page.get_by_label("Note").fill("by telephone")
    page.get_by_label("Last day").fill("2090-01-31")
    page.get_by_role("button", name="Stop writing to them").click()
    expect(page.get_by_text("Suppressed from this moment on.")).to_be_visible()
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Mailing type Events")
    expect(row).to_contain_text("until 31 Jan 2090")
    page.get_by_role("link", name="Lift what stops new@there.example").click()
    expect(page.locator(".note")).to_contain_text("It no longer stops: Mailing type Events. By hand, since")
    page.get_by_role("button", name="Lift it").click()
    expect(page.locator("#reason-wrong")).to_be_visible()
    page.get_by_label("Reason").fill("She called again")
    page.get_by_role("button", name="Lift it").click()
    expect(page.get_by_text("Lifted. The audit log keeps who did it, and why.")).to_be_visible()
    page.goto("/settings/audit")
    expect(page.locator("tbody tr").first).to_contain_text("She called again")


def test_a_file_is_handed_in_and_its_bad_lines_are_named(open_page: Open, tmp_path: Path) -> None:
    lines = [f"file{n:04}@there.example;unsubscribe" for n in range(2_000)]
    lines[1_000] = "no address;unsubscribe"
    file = tmp_path / "opt outs æ.csv"
    file.write_text("\r\n".join(["Email;Reason", *lines, ""]), encoding="utf-8-sig")
    page = open_page("/suppressions/import")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    note = page.locator(".note")
    expect(note).to_contain_text("2,000 lines read.")
    expect(note).to_contain_text("1,999 new on the list, 0 there already, 1 refused.")
    expect(note).to_contain_text("Line 1,002:")
    page.get_by_label("File").set_input_files({"name": "x.csv", "mimeType": "text/csv", "buffer": b"name\nAnna\n"})
    page.get_by_role("button", name="Import").click()
    expect(page.locator("#file-wrong")).to_contain_text("names no column")


def test_the_list_is_taken_away_as_it_is_filtered(open_page: Open) -> None:
    page = open_page("/suppressions?reason=complaint&address=person")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == COUNT // 3 + 1
    assert lines[0].startswith("address,scope,reason,note,expires_at")


def test_invalid_addresses_are_listed_newest_first_and_cleared(open_page: Open) -> None:
    page = open_page("/suppressions")
    page.get_by_role("link", name="Invalid addresses").click()
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    assert len(download.value.path().read_text().splitlines()) >= COUNT // 3
    page.get_by_label("Address or its beginning").fill("person00001")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Clear person00001@there.example").click()
    page.get_by_role("button", name="Take it off the list").click()
    expect(page.get_by_role("alert")).to_contain_text("Give the new address.")
    page.get_by_label("New address", exact=True).fill("person00004@there.example")
    page.get_by_label("Reason").fill("She wrote to us")
    page.get_by_role("button", name="Take it off the list").click()
    expect(page.locator("#new_address-wrong")).to_contain_text("This address is invalid, too.")
    page.get_by_label("New address", exact=True).fill("person1@new.example")
    page.get_by_role("button", name="Take it off the list").click()
    expect(page.get_by_text("Off the list.")).to_be_visible()
    page.goto("/suppressions/invalid?address=person00001")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.goto("/suppressions?address=person00001")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_reader_sees_and_changes_nothing(open_page: Open) -> None:
    page = open_page("/suppressions", email=READER)
    expect(page.locator("tbody tr")).to_have_count(50)
    for name in ("Add addresses", "Import", re.compile("^Lift")):
        expect(page.get_by_role("link", name=name)).to_have_count(0)
    for path in ("new", "import", "remove?address=person00000@there.example", "invalid/clear?address=x"):
        response = page.goto(f"/suppressions/{path}")
        assert response is not None
        assert response.status == 403


def test_a_file_from_elsewhere_is_not_taken(open_page: Open) -> None:
    page = open_page("/suppressions/import")
    page.evaluate("document.querySelector('form.form input[name=csrf]').value = 'forged'")
    page.get_by_label("File").set_input_files({"name": "x.csv", "mimeType": "text/csv", "buffer": b"forged@x.test\n"})
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", name="This form is out of date")).to_be_visible()
    page.goto("/suppressions?address=forged@")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()


def test_strict_opt_out_is_chosen_in_the_settings(open_page: Open) -> None:
    page = open_page("/settings")
    page.get_by_label("Any opt-out stops all mail").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Any opt-out stops all mail")).to_be_checked()
    page.get_by_label("Any opt-out stops all mail").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize(
    "path",
    [
        "/suppressions",
        "/suppressions?address=a-very",
        "/suppressions/new",
        "/suppressions/import",
        "/suppressions/invalid",
        "/suppressions/invalid?address=a-very",
        "/suppressions/bounced",
        "/suppressions/invalid/clear?address=person00001@there.example",
        "/suppressions/remove?address=person00000@there.example",
    ],
)
def test_nothing_scrolls_sideways(open_page: Open, path: str, width: int) -> None:
    page = open_page(path, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_bounced_addresses_are_narrowed_by_kind_and_time_and_taken_away(open_page: Open, site: Site) -> None:
    now = site.process.clock.now()
    kinds = [BounceType.HARD] * 3 + [BounceType.SOFT] * 2 + [BounceType.BLOCKED]
    rows = [
        Bounced(f"b{n}@there.example", kind, now - timedelta(days=40), now - timedelta(days=10 * n), 2, "mailbox_full", 552,
                "5.2.2", "552 5.2.2 <b>full</b>", site.world.examples["bounced"])
        for n, kind in enumerate(kinds)
    ]  # fmt: skip

    async def fill() -> None:
        async with site.process.pool.acquire() as connection:
            await bounced.note(connection, site.world.workspace_id, rows)

    site.call(fill())
    page = open_page("/suppressions")
    page.get_by_role("link", name="Bounced addresses").click()
    page.get_by_label("Address or its beginning").fill("b")
    page.get_by_role("button", name="Apply").click()
    shown = page.locator("tbody tr")
    expect(shown).to_have_count(5)
    expect(shown.first).to_contain_text("<b>full</b>")
    page.get_by_label("Kind of bounce").select_option("Soft")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("2 addresses")).to_be_visible()
    page.get_by_label("Last bounced").select_option("Since")
    page.get_by_label("Day", exact=True).fill(f"{now - timedelta(days=35):%Y-%m-%d}")
    page.get_by_role("button", name="Apply").click()
    expect(shown).to_have_count(1)
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("link", name="apart from these").click()
    expect(shown).to_have_count(1)
    with page.expect_download() as taken:
        page.get_by_role("link", name="Export").click()
    lines = Path(taken.value.path()).read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[:2] for line in lines] == [["address", "type"], ["b5@there.example", "blocked"]]
