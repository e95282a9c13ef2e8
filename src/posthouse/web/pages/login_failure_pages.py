"""Login failures: whom somebody wanted to be, at which door, from where, why he was not let in, and how often."""

from typing import Any, Final

from litestar import Response, get

from posthouse.accounts import login_failures
from posthouse.accounts.login_attempts import LoginDoor, Reason
from posthouse.accounts.login_failures import LoginFailure, Wanted
from posthouse.model import limits
from posthouse.model.words import Role
from posthouse.web.pages import query
from posthouse.web.pages.session import Page, Person, need, rooms
from posthouse.web.pages.settings_pages import tabs
from posthouse.web.pages.view import page
from posthouse.web.pages.words import N_, Word

_AT: Final = "/settings/login-failures"
_PER_PAGE: Final = 50
DOORS: Final = {
    LoginDoor.PAGES: N_("Pages"),
    LoginDoor.SMTP: N_("SMTP"),
    LoginDoor.API: N_("API"),
}
REASONS: Final = {
    Reason.WRONG: Word(
        N_("Wrong password or key"), "bad", "cross", N_("The account exists, the secret is not its own.")
    ),
    Reason.REVOKED: Word(N_("Revoked"), "wait", "slash", N_("The credential was right once and is revoked.")),
    Reason.EXPIRED: Word(N_("Link expired"), "wait", "clock", N_("The sign-in link was used already or is too old.")),
    Reason.DISABLED: Word(N_("Disabled"), "wait", "slash", N_("The person may not sign in any more.")),
    Reason.NETWORK: Word(
        N_("Wrong network"), "wait", "warning", N_("All was right, but it may not be used from this address.")
    ),
}


@get(_AT, include_in_schema=False)
async def login_failure_list(request: Page, person: Person) -> Response[str]:
    """The newest first."""
    need(person, Role.ADMIN)
    before = query.identifier(request.query_params.get("after", ""))
    door = query.word(LoginDoor, request.query_params.get("door", ""))
    async with rooms(request).process.pool.acquire() as connection:
        workspace_id = person.workspace.workspace_id
        found = await login_failures.listing(connection, workspace_id, Wanted(door=door), before, _PER_PAGE + 1)
    shown = found[:_PER_PAGE]
    older = _link(door, f"{shown[-1].failure_id}") if len(found) > _PER_PAGE else ""
    return page(
        request,
        person,
        "login_failures.html",
        "settings",
        # By their quarter of an hour in the database, and within it as a person reads them here.
        failures=[_line(each) for each in sorted(shown, key=lambda each: each.last_at, reverse=True)],
        older=older,
        newer=_link(door) if before else "",
        door=door or "",
        doors=DOORS,
        kept_days=limits.LOGIN_FAILURES_KEPT_DAYS,
        settings_tabs=tabs(person),
        tab_here="login-failures",
    )


def _link(door: LoginDoor | None, after: str = "") -> str:
    said = query.encoded({"door": door or "", "after": after})
    return _AT + (f"?{said}" if said else "")


def _line(each: LoginFailure) -> dict[str, Any]:
    return {
        "last": each.last_at,
        "door": DOORS[each.door],
        "account": each.account,
        "source": each.source,
        "reason": REASONS[each.reason],
        "attempts": each.attempts,
    }
