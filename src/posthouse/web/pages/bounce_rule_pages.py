"""Bounce rules: what happens with each kind of mail that comes back, and what the workspace knows better about its receivers."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.response import Redirect

from posthouse.accounts import changes
from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import bounce_policies
from posthouse.ledger import bounce_policy, classify
from posthouse.ledger.bounce_policy import CLASSES, COMPLAINT, HARD, BouncePolicy
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.words import Role
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.settings_pages import tabs
from posthouse.web.pages.view import page, see
from posthouse.web.pages.words import BLAME, CAUSES, N_

_STOPS: Final = {
    "everything": N_("Stop all mail to the address"),
    "channel:email": N_("Stop all mail to the address"),
    "marketing": N_("Stop marketing to the address"),
    "nothing": N_("Do nothing"),
}
_CLASSES: Final = {"hard": N_("Hard"), "soft": N_("Soft"), "blocked": N_("Blocked")}
_EMPTY_ROWS: Final = 3
_RULE_FIELDS: Final = ("match", "status", "class", "reason")


@get("/settings/bounce-rules", include_in_schema=False)
async def bounce_rules_page(request: Page, person: Person) -> Response[str]:
    """What is chosen, with room for more rules, and what they say of a reply to try them on."""
    policy = await bounce_policy.of(rooms(request).process.pool, person.workspace.workspace_id)
    return _page(request, person, _form_of(policy), policy=policy)


@post("/settings/bounce-rules", status_code=200, include_in_schema=False)
async def bounce_rules_save(request: Page, person: Person) -> Response[str] | Redirect:
    """Saves all of it; a rule without words and code is gone."""
    need(person, Role.ADMIN)
    values = _values(await form(request, person))
    asked = _asked(values)
    policy = asked if isinstance(asked, list) else bounce_policy.read(asked)
    if isinstance(policy, list):
        return _page(request, person, values, problems=policy)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        await bounce_policies.choose(change, policy)
    return see("/settings/bounce-rules?said=saved")


def _page(
    request: Page,
    person: SignedIn,
    values: dict[str, Any],
    *,
    policy: BouncePolicy = bounce_policy.DEFAULT,
    problems: list[FieldProblem] | None = None,
) -> Response[str]:
    spoken = speech(request, person)
    reply = request.query_params.get("reply", "").replace("\0", "")[: limits.BOUNCE_REPLY_CHARS]
    context: dict[str, Any] = {
        "form": values,
        "errors": _by_field(problems or [], spoken.say),
        "stops": _STOPS,
        "hard": HARD,
        "complaint": COMPLAINT,
        "classes": _CLASSES,
        "causes": CAUSES,
        "blame": BLAME,
        "most": limits.BOUNCE_RULES,
        "reply": reply,
        "verdict": classify.of_words([reply], "", "", (), policy.rules) if reply.strip() else None,
        "settings_tabs": tabs(person),
        "tab_here": "bounce-rules",
    }
    return page(request, person, "bounce_rules.html", "settings", status=422 if problems else 200, **context)


def _form_of(policy: BouncePolicy) -> dict[str, Any]:
    rules = [
        {"match": each.match, "status": each.status, "class": str(each.bounce_class), "reason": each.reason}
        for each in policy.rules
    ]
    return {
        "hard": policy.hard,
        "soft_messages": str(policy.soft_messages),
        "soft_days": str(policy.soft_days),
        "blocked": "1" if policy.blocked_alert else "",
        "complaint": policy.complaint,
        "rules": _with_room(rules),
    }


def _with_room(rules: list[dict[str, str]]) -> list[dict[str, str]]:
    empty = min(_EMPTY_ROWS, limits.BOUNCE_RULES - len(rules))
    return rules + [{"match": "", "status": "", "class": "soft", "reason": "policy"} for _ in range(empty)]


def _values(fields: FormMultiDict) -> dict[str, Any]:
    rows = [{name: text(fields, f"{name}-{row}") for name in _RULE_FIELDS} for row in range(limits.BOUNCE_RULES)]
    names = ("hard", "soft_messages", "soft_days", "blocked", "complaint")
    rules = [row for row in rows if row["match"] or row["status"]]
    return {**{name: text(fields, name) for name in names}, "rules": _with_room(rules)}


def _asked(values: dict[str, Any]) -> dict[str, Any] | list[FieldProblem]:
    """What the form asks for, in shape; what no honest browser sends is said as well."""
    most = {"soft_messages": limits.SOFT_BOUNCE_MESSAGES, "soft_days": limits.SOFT_BOUNCE_DAYS}
    problems = [
        FieldProblem(f"/{name}", "out_of_range", N_("This must be a number within the limits shown."))
        for name, limit in most.items()
        if not (
            values[name].isascii() and values[name].isdecimal() and len(values[name]) < 5 and int(values[name]) <= limit
        )
    ]
    rules = [row for row in values["rules"] if row["match"] or row["status"]]
    chosen = values["hard"] in HARD and values["complaint"] in COMPLAINT
    if not chosen or any(row["class"] not in CLASSES for row in rules):
        problems.append(FieldProblem("/hard", "unknown", N_("This is none of the choices.")))
    return problems or {
        "hard": values["hard"],
        "soft_messages": int(values["soft_messages"]),
        "soft_days": int(values["soft_days"]),
        "blocked_alert": bool(values["blocked"]),
        "complaint": values["complaint"],
        "rules": [
            {**{name: row[name] for name in ("match", "status", "reason")}, "bounce_class": row["class"]}
            for row in rules
        ],
    }


def _by_field(problems: list[FieldProblem], say: Any) -> dict[str, list[str]]:  # noqa: ANN401
    """`/rules/2/match` is the field match-2."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        first, *rest = problem.pointer.strip("/").split("/")
        field = f"{rest[1]}-{rest[0]}" if len(rest) == 2 else first
        found.setdefault(field, []).append(say(problem.detail))
    return found
