"""Settings: the workspace, the person at the keyboard, and the log of who changed what."""

import re
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.response import Redirect

from posthouse.accounts import audit, changes, domains, users, workspaces
from posthouse.accounts.sign_in import SignedIn, TooMany
from posthouse.accounts.workspaces import Preferences, Workspace
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.words import ClassPolicy, DomainPolicy, MassPolicy, Role
from posthouse.web.api.caller import client_ip
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.sign_in_pages import gate, too_many
from posthouse.web.pages.view import by_field, page, see
from posthouse.web.pages.words import N_, ROLES
from posthouse.web.text import LANGUAGES

_TABS: Final = (
    {"name": "workspace", "href": "/settings", "label": N_("Workspace")},
    {"name": "bounces", "href": "/settings/bounce-domains", "label": N_("Email Custom Bounce Domains")},
    {"name": "bounce-rules", "href": "/settings/bounce-rules", "label": N_("Bounce rules")},
    {"name": "you", "href": "/settings/you", "label": N_("You")},
    {"name": "alerts", "href": "/alerts", "label": N_("Alerts")},
    {"name": "webhooks", "href": "/webhooks", "label": N_("Webhooks")},
    {"name": "login-failures", "href": "/settings/login-failures", "label": N_("Login failures")},
    {"name": "audit", "href": "/settings/audit", "label": N_("Audit log")},
)
_ADMINS: Final = frozenset({"webhooks", "login-failures", "audit"})
_CLASS_POLICIES: Final = {
    ClassPolicy.WARN: N_("Send it, and say so with the message"),
    ClassPolicy.REFUSE: N_("Refuse it"),
}
_DOMAIN_POLICIES: Final = {
    DomainPolicy.WARN: N_("Send it, and warn the administrators"),
    DomainPolicy.REFUSE: N_("Refuse it while ownership or every DKIM key is missing"),
    DomainPolicy.STRICT: N_("Refuse it unless ownership, DKIM, SPF and DMARC are all found"),
}
_MASS_POLICIES: Final = {
    MassPolicy.HOLD: N_("Hold it until someone releases it"),
    MassPolicy.REFUSE: N_("Refuse it for now (429, 451)"),
    MassPolicy.FLAG: N_("Send it, and say so with the message"),
}
_ENTRIES: Final = 50


@get("/settings", include_in_schema=False)
async def settings_page(request: Page, person: Person) -> Response[str]:
    """The workspace's choices."""
    return _workspace(request, person, _form_of(person.workspace))


@post("/settings/workspace", status_code=200, include_in_schema=False)
async def settings_save(request: Page, person: Person) -> Response[str] | Redirect:
    """Saves them; the audit log gets old and new values."""
    need(person, Role.ADMIN)
    values = _values(await form(request, person))
    if found := _unreadable(values):
        return _workspace(request, person, values, problems=found)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        outcome = await workspaces.update(change, _preferences(values))
        if isinstance(outcome, Workspace) and outcome.domain_policy is not person.workspace.domain_policy:
            await domains.tell(change)
    if isinstance(outcome, Workspace):
        return see("/settings?said=saved")
    return _workspace(request, person, values, problems=outcome)


@get("/settings/you", include_in_schema=False)
async def you_page(request: Page, person: Person) -> Response[str]:
    """Language and password."""
    return _you(request, person)


@post("/settings/language", include_in_schema=False)
async def language_save(request: Page, person: Person) -> Redirect:
    """The language of the pages for this person."""
    locale = text(await form(request, person), "locale")
    if locale in LANGUAGES:
        async with rooms(request).process.pool.acquire() as connection:
            await users.set_locale(connection, person.user.user_id, locale)
    return see("/settings/you?said=saved")


@post("/settings/password", status_code=200, include_in_schema=False)
async def password_save(request: Page, person: Person) -> Response[str] | Redirect:
    """A new password; the present one is asked for, and other sessions end."""
    fields = await form(request, person)
    old, new = fields.get("current"), fields.get("password")
    outcome = await gate(request).change_password(
        person, old if isinstance(old, str) else "", new if isinstance(new, str) else "", client_ip(request.scope)
    )
    if isinstance(outcome, TooMany):
        problem = FieldProblem("/current", "too_many", too_many(speech(request, person), outcome))
        return _you(request, person, (problem,))
    return _you(request, person, outcome) if outcome else see("/settings/you?said=password")


@get("/settings/audit", include_in_schema=False)
async def audit_page(request: Page, person: Person) -> Response[str]:
    """The log, newest first."""
    need(person, Role.ADMIN)
    before = request.query_params.get("before", "")
    place = int(before) if before.isdecimal() and len(before) < 19 else None
    async with rooms(request).process.pool.acquire() as connection:
        entries = await audit.page(connection, person.workspace.workspace_id, place, _ENTRIES + 1)
    shown = entries[:_ENTRIES]
    lines = [
        {
            "occurred_at": entry.occurred_at,
            "actor": entry.actor.removeprefix("user:"),
            "action": entry.action,
            "subject": entry.subject,
            "detail": _told(entry.detail),
        }
        for entry in shown
    ]
    older = f"/settings/audit?before={shown[-1].sequence}" if len(entries) > _ENTRIES else ""
    newer = "/settings/audit" if place else ""
    context: dict[str, Any] = {"entries": lines, "older": older, "newer": newer}
    return page(request, person, "audit.html", "settings", settings_tabs=_TABS, tab_here="audit", **context)


def _told(detail: dict[str, Any]) -> str:
    return "; ".join(
        _fact(name.replace("_", " "), value) for name, value in detail.items() if value not in (False, None, [], "")
    )


def _fact(name: str, value: object) -> str:
    match value:
        case True:
            return name
        case {"from": before, "to": after}:
            return f"{name}: {_short(before)} → {_short(after)}"
        case _:
            return f"{name}: {_short(value)}"


def _short(value: object) -> str:
    match value:
        case str():
            return value
        case list() if all(isinstance(each, str) for each in value):
            return ", ".join(value)
        case _:
            return msgspec.json.encode(value).decode()


def _workspace(
    request: Page, person: SignedIn, values: dict[str, Any], problems: tuple[FieldProblem, ...] = ()
) -> Response[str]:
    return page(
        request,
        person,
        "settings.html",
        "settings",
        status=422 if problems else 200,
        form=values,
        errors=by_field(problems, speech(request, person)),
        settings_tabs=tabs(person),
        tab_here="workspace",
        class_policies=_CLASS_POLICIES,
        domain_policies=_DOMAIN_POLICIES,
        mass_policies=_MASS_POLICIES,
        most=limits.MASS_RECIPIENTS,
        most_of_one=limits.MASS_RECIPIENTS_OF_ONE,
        minutes=limits.MASS_WINDOW_MINUTES,
    )


def _you(request: Page, person: SignedIn, problems: tuple[FieldProblem, ...] = ()) -> Response[str]:
    return page(
        request,
        person,
        "settings_you.html",
        "settings",
        status=422 if problems else 200,
        errors=by_field(problems, speech(request, person), {"old_password": "current", "new_password": "password"}),
        languages=LANGUAGES,
        roles=ROLES,
        settings_tabs=tabs(person),
        tab_here="you",
    )


def tabs(person: SignedIn) -> list[dict[str, str]]:
    """The tabs of the settings this person may open."""
    return [tab for tab in _TABS if tab["name"] not in _ADMINS or person.may(Role.ADMIN)]


def _form_of(workspace: Workspace) -> dict[str, Any]:
    chosen = Preferences.of(workspace)
    return {
        "name": chosen.name,
        "support_contact": chosen.support_contact,
        "default_priority": str(chosen.default_priority),
        "priority_enabled": chosen.priority_enabled,
        "encrypt_bodies": chosen.encrypt_bodies,
        "class_policy": chosen.class_policy,
        "domain_policy": chosen.domain_policy,
        "mass_policy": chosen.mass_policy,
        "failure_notices": chosen.failure_notices,
        "allow_lists": chosen.allow_lists,
        "strict_optout": chosen.strict_optout,
        "postal_address": chosen.postal_address,
    }


def _values(fields: FormMultiDict) -> dict[str, Any]:
    return {
        "name": text(fields, "name"),
        "support_contact": text(fields, "support_contact"),
        "default_priority": text(fields, "default_priority"),
        "priority_enabled": text(fields, "priority_enabled") == "1",
        "encrypt_bodies": text(fields, "encrypt_bodies") == "1",
        "class_policy": text(fields, "class_policy"),
        "domain_policy": text(fields, "domain_policy"),
        "mass_policy": text(fields, "mass_policy"),
        "failure_notices": text(fields, "failure_notices") == "1",
        "allow_lists": text(fields, "allow_lists"),
        "strict_optout": text(fields, "strict_optout") == "1",
        "postal_address": text(fields, "postal_address"),
    }


def _unreadable(values: dict[str, Any]) -> tuple[FieldProblem, ...]:
    """What no browser sends from this form."""
    found = []
    if not re.fullmatch("[0-9]", values["default_priority"]):
        found.append(FieldProblem("/default_priority", "out_of_range", N_("Choose a priority from 0 to 9.")))
    policies = {"class_policy": ClassPolicy, "domain_policy": DomainPolicy, "mass_policy": MassPolicy}
    for name, known in policies.items():
        if values[name] not in set(known):
            found.append(FieldProblem(f"/{name}", "unknown_value", N_("Choose one of these.")))
    return tuple(found)


def _preferences(values: dict[str, Any]) -> Preferences:
    return Preferences(
        name=values["name"],
        default_priority=int(values["default_priority"]),
        priority_enabled=values["priority_enabled"],
        encrypt_bodies=values["encrypt_bodies"],
        support_contact=values["support_contact"],
        class_policy=ClassPolicy(values["class_policy"]),
        domain_policy=DomainPolicy(values["domain_policy"]),
        mass_policy=MassPolicy(values["mass_policy"]),
        failure_notices=values["failure_notices"],
        allow_lists=values["allow_lists"],
        strict_optout=values["strict_optout"],
        postal_address=values["postal_address"],
    )
