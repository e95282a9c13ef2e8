"""Who cannot use a mouse, a wide screen, bright light or scripts can still use every page; and no page talks to the outside."""

import contextlib
import re

import pytest
from playwright.sync_api import Page, expect
from tests.page_world import Site
from tests.peers.pages.conftest import Open

from posthouse.accounts import alerts
from posthouse.accounts.alerts import Level, Trouble
from posthouse.runtime.postgres import transaction

PATHS = [
    "/", "/messages", "/messages?q=zzzzz", "/messages/{waiting}", "/messages/{several}?tab=headers", "/messages/{bounced}?tab=raw",
    "/send", "/domains", "/domains/{domain}", "/domains/{domain}/remove", "/domains/{domain}/links", "/keys", "/keys/new?kind=smtp", "/queue", "/reports", "/reputation",
    "/queue/hold?domain=yahoo.com", "/queue/bounce?domain=yahoo.com&state=waiting", "/queue/select?domain=yahoo.com",
    "/queue/select?colour=red", "/queue/cancel?domain=no+domain", "/queue/suspend", "/messages/{bounced}/resend",
    "/suppressions", "/suppressions?address=nobody", "/suppressions/new", "/suppressions/import", "/suppressions/invalid",
    "/reports/exports", "/reports/exports/new", "/reports/exports/schedule", "/suppressions/bounced", "/suppressions/bounced?type=hard&when=on&day=2026-01-31",
    "/suppressions/remove?address=nobody@x.test", "/suppressions/invalid/clear?address=nobody@x.test", "/settings", "/settings/bounce-domains",
    "/settings/bounce-rules?reply=550+no",
    "/settings/you", "/settings/audit", "/settings/login-failures",
    "/alerts", "/suppressions/list-check", "/webhooks", "/webhooks/new", "/nowhere",
]  # fmt: skip


def filled(path: str, site: Site) -> str:
    """The path with the ids of the world in it."""
    return path.format(domain=site.world.unverified_domain, **site.world.examples)


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_serious_in_light_and_dark(open_page: Open, site: Site, axe: str, path: str) -> None:
    # Without motion, so that no colour is measured on its way from one scheme to the other.
    page = open_page(filled(path, site), color_scheme="light", reduced_motion="reduce", strict=False)
    assert violations(page, axe) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, axe) == []


def test_axe_finds_nothing_serious_before_signing_in(open_page: Open, axe: str) -> None:
    assert violations(open_page("/sign-in", email=None, strict=False), axe) == []


def test_axe_finds_nothing_serious_in_what_opens(open_page: Open, site: Site, axe: str) -> None:
    page = open_page(filled("/messages/{bounced}", site), strict=False)
    for summary in page.locator("summary").all():
        summary.click()
    page.get_by_role("button", name="Help and keyboard shortcuts").click()
    assert violations(page, axe) == []


def violations(page: Page, axe: str) -> list[str]:
    """What axe finds wrong against WCAG 2.2 A and AA and its own good practice, with the elements.

    The page is not held to its silence: axe tries inline styles of its own, which the policy refuses.
    """
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {iframes: false})")
    return [
        f"{each['impact']} {each['id']}: {[node['html'][:160] + ' | ' + str(node['failureSummary']) for node in each['nodes'][:3]]}"
        for each in found["violations"]
        if each["impact"] in ("moderate", "serious", "critical")
    ]


@pytest.mark.parametrize("path", PATHS)
def test_a_phone_never_scrolls_sideways(open_page: Open, site: Site, path: str) -> None:
    page = open_page(filled(path, site), width=360, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("path", PATHS)
def test_pages_read_the_same_without_scripts(open_page: Open, site: Site, path: str) -> None:
    page = open_page(filled(path, site), java_script_enabled=False)
    expect(page.locator("h1")).to_be_visible()


def test_a_change_can_be_made_without_scripts(open_page: Open) -> None:
    page = open_page("/send", java_script_enabled=False)
    page.get_by_label("To", exact=True).fill("bob@there.example")
    page.get_by_role("button", name="Show the road").click()
    expect(page.locator("#road")).to_contain_text("bob@there.example")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page).to_have_url(re.compile(r"/messages/[0-9a-f-]{36}"))


def test_the_keyboard_goes_everywhere(open_page: Open) -> None:
    page = open_page("/messages")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.locator("main").click(position={"x": 2, "y": 2})
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("#rows a.row").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/messages/[0-9a-f-]{36}"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    heading = page.get_by_role("heading", name="Queue", level=1)
    for _ in range(3):  # the second key counts for 1.2 s, which a busy machine may take between the two
        page.keyboard.type("gq")
        with contextlib.suppress(AssertionError):
            expect(heading).to_be_visible()
            break
    expect(heading).to_be_visible()


def test_single_key_shortcuts_can_be_switched_off(open_page: Open) -> None:
    page = open_page("/queue")
    page.get_by_role("button", name="Help and keyboard shortcuts").click()
    page.get_by_label("Keyboard shortcuts on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_what_the_reader_opened_stays_open_when_the_page_refreshes(open_page: Open, site: Site) -> None:
    page = open_page(filled("/messages/{bounced}", site))
    page.get_by_text("SMTP transcript").last.click()
    with page.expect_response(re.compile(r"part=1")):
        page.evaluate(
            "htmx.ajax('GET', document.querySelector('#life').getAttribute('hx-get'),"
            " {source: '#life', target: '#life', swap: 'morph:innerHTML'})"
        )
    expect(page.locator(".transcript").last).to_be_visible()


def test_copying_puts_the_value_on_the_clipboard_and_says_so(open_page: Open, site: Site) -> None:
    page = open_page("/keys", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the server name").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "mail.acme.example"


def test_dark_follows_the_system(open_page: Open) -> None:
    def surface(scheme: str) -> str:
        page = open_page("/messages", color_scheme=scheme)
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert surface("light") == "rgb(255, 255, 255)"
    assert surface("dark") == "rgb(15, 18, 23)"


def test_times_are_told_in_the_readers_zone(open_page: Open, site: Site) -> None:
    page = open_page(filled("/messages/{delivered}", site), timezone_id="Asia/Tokyo")
    page.reload()
    expect(page.locator(".facts time").first).to_contain_text("JST")


def test_a_banner_of_alerts_and_a_report_of_a_list_fit_everywhere(open_page: Open, site: Site, axe: str) -> None:
    sentence = (
        "5.2 % of 400 mails from a.very.long.domain.of.somebody.example bounced within the hour: marketing is stopped."
    )
    troubles = [Trouble("breaker.bounces", f"{n}.example", level, sentence, "/queue") for n, level in enumerate(Level)]

    async def each(report: bool) -> None:
        async with transaction(site.process.pool) as connection:
            for trouble in troubles:
                place = connection, site.world.workspace_id
                if report:
                    await alerts.report(*place, trouble, site.process.ids, "posthouse", site.process.clock.now())
                else:
                    await alerts.end(*place, trouble.kind, trouble.subject, "posthouse", site.process.clock.now())

    site.call(each(report=True))
    try:
        for options in ({"width": 360, "is_mobile": True}, {"width": 1280, "color_scheme": "dark"}):
            page = open_page("/queue", reduced_motion="reduce", strict=False, **options)
            expect(page.get_by_role("region", name="Alerts")).to_contain_text("and 1 more")
            assert page.locator(".banner").bounding_box()["height"] < 60  # type: ignore[index]
            assert violations(page, axe) == []
            page.goto("/alerts")
            expect(page.get_by_role("button", name="Dismiss")).to_have_count(2)
            assert violations(page, axe) == []
            page.goto("/suppressions/list-check")
            page.get_by_label("Or paste addresses").fill(
                f"ann@{'long.' * 20}example\nno address\nann@{'long.' * 20}example"
            )
            page.get_by_role("button", name="Check these").click()
            expect(page.get_by_role("heading", name="No usable address")).to_be_visible()
            assert violations(page, axe) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= options["width"]
            with page.expect_download() as taken:
                page.get_by_role("link", name=re.compile("What to remove")).click()
            assert taken.value.suggested_filename == "list-rejected.csv"
    finally:
        site.call(each(report=False))
