"""The page behind an opt-out link in the browser, for a reader who has no account here."""

import pytest
from playwright.sync_api import Page, expect
from tests.page_world import Site
from tests.peers.pages.conftest import Open
from tests.peers.pages.test_pages_access import violations

from posthouse.accounts import workspaces
from posthouse.accounts.directory import Directory
from posthouse.intake.accept import Door
from posthouse.intake.request import Context, parse_message
from posthouse.model.mail import Accepted, Submission, Submitter
from posthouse.model.words import Scope
from posthouse.wire import verp
from posthouse.wire.verp import Purpose

POST = "Acme, 1 High Street, Anytown"


@pytest.fixture(scope="module")
def links(site: Site) -> dict[str, str]:
    """The path of the link in a mail of a mailing type, of one without, and of one nobody knows any more."""

    async def send() -> dict[str, str]:
        process, workspace_id = site.process, site.world.workspace_id
        workspace = await workspaces.find(process.pool, workspace_id)
        assert workspace is not None
        secret = process.vault.derive("return-path")
        submitter = Submitter(
            workspace_id, workspace.number, process.ids.new(), "api_key", "shop", frozenset({Scope.SEND}),
            any_domain=True, postal_address=POST,
        )  # fmt: skip
        ids = {"gone": process.ids.new()}
        async with Directory.open(process) as directory:
            door = Door.open(process, directory)
            for name in ("Newsletter", ""):
                fields = {"from": "news@acme.example", "to": [f"anna{name}@there.example"], "subject": "x", "text": "x"}
                message = fields | {"class": "marketing"} | ({"mailing_type": name} if name else {})
                submission = parse_message(message, Context(submitter, process.clock.now(), process.ids.new))
                assert isinstance(submission, Submission), submission
                (receipt,) = await door.accept(submitter, [submission])  # type: ignore[misc]
                assert isinstance(receipt, Accepted), receipt
                ids[name or "plain"] = receipt.recipients[0].recipient_id
            await door.close()
        return {
            name: "/u/" + verp.encode(Purpose.UNSUBSCRIBE, workspace.number, each, secret) for name, each in ids.items()
        }

    return site.call(send())


def press(page: Page, name: str, then: str) -> None:
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(then)


def test_a_reader_stops_a_type_then_all_and_takes_it_back_without_scripts(
    open_page: Open, links: dict[str, str]
) -> None:
    page = open_page(links["Newsletter"], email=None, java_script_enabled=False, width=390)
    expect(page.get_by_text("news@acme.example")).to_be_visible()
    press(page, "Stop “Newsletter”", "“Newsletter” is stopped")
    expect(page.get_by_text("a…@there.example")).to_be_visible()
    press(page, "Stop all marketing", "Marketing is stopped")
    press(page, "Take it back: I want marketing again", "“Newsletter” is stopped")
    press(page, "Take it back: I want “Newsletter” again", "Stop this mail?")


def test_everybody_can_read_and_use_it(open_page: Open, links: dict[str, str], axe: str) -> None:
    for path in (*links.values(), "/u/forged"):
        page = open_page(path, email=None, width=360, is_mobile=True, reduced_motion="reduce", strict=False)
        assert violations(page, axe) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_speaks_danish_to_danes(open_page: Open, links: dict[str, str]) -> None:
    page = open_page(links["plain"], email=None, locale="da-DK")
    press(page, "Stop al markedsføring", "Markedsføring er stoppet")
    press(page, "Fortryd: jeg vil have markedsføring igen", "Stop denne mail?")


def test_it_says_where_the_sender_is_reached_by_post(open_page: Open, links: dict[str, str]) -> None:
    settings = open_page("/settings")
    settings.get_by_label("Postal address").fill(POST)
    settings.get_by_role("button", name="Save").click()
    expect(settings.get_by_text("Saved.")).to_be_visible()
    expect(settings.get_by_label("Postal address")).to_have_value(POST)
    reader = open_page(links["gone"], email=None, strict=False)
    for _ in range(100):  # the directory hears of the change by NOTIFY
        if reader.get_by_text(POST).count():
            break
        reader.reload()
    expect(reader.get_by_text(POST)).to_be_visible()
