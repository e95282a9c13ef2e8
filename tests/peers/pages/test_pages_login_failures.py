"""Login failures in the browser: a wrong password at sign-in, and the administrator who reads of it."""

from playwright.sync_api import expect
from tests.page_world import READER, Site
from tests.peers.pages.conftest import Open, sign_in

from posthouse.accounts import login_failures
from posthouse.accounts.login_attempts import LoginDoor, Reason
from posthouse.accounts.login_failures import LoginFailure, Wanted


def told(site: Site) -> list[LoginFailure]:
    async def find() -> list[LoginFailure]:
        workspace_id = site.world.workspace_id
        return await login_failures.listing(site.process.pool, workspace_id, Wanted(door=LoginDoor.PAGES), None, 10)

    return site.call(find())


def test_a_wrong_password_is_told_to_administrators_and_to_nobody_else(open_page: Open, site: Site) -> None:
    page = open_page("/settings")
    page.get_by_role("link", name="Login failures").click()
    expect(page.get_by_role("heading", name="No login has failed")).to_be_visible()
    stranger = open_page("/sign-in", email=None, strict=False)
    for email in (READER, "nobody@acme.example"):
        sign_in(stranger, site, email, "a guess of mine")
        expect(stranger.get_by_text("Email or password is wrong.")).to_be_visible()
    # Writing is not waited for: the answer comes first.
    for _ in range(100):
        if found := told(site):
            break
        page.wait_for_timeout(20)
    (failure,) = found
    assert (failure.account, failure.source, failure.reason) == (READER, "127.0.0.1", Reason.WRONG)
    page.reload()
    row = page.get_by_role("table", name="Login failures").locator("tbody tr")
    for words in (READER, "Wrong password or key", "Pages", "127.0.0.1"):
        expect(row).to_contain_text(words)
    expect(page.locator("main")).not_to_contain_text("a guess of mine")
    page.get_by_label("Door").select_option("API")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.get_by_role("link", name="Export").click()
    expect(page.get_by_label("What")).to_have_value("login_failures")
    reader = open_page("/settings", email=READER)
    expect(reader.get_by_role("link", name="Login failures")).to_have_count(0)
    answer = reader.goto("/settings/login-failures")
    assert answer is not None
    assert answer.status == 403
    answer = reader.goto("/reports/exports/new?what=login_failures")
    expect(reader.get_by_label("What").locator("option[value=login_failures]")).to_have_count(0)
