"""Doing something to queued mail: which mail, what it would touch, and only then doing it.

`queue_select_page` is the form for the conditions; its buttons, and the ones beside each destination, lead to `queue_act_page`, which
counts and asks; its button to `queue_act`.
"""

from collections.abc import Mapping
from typing import Final

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import operate
from posthouse.model.words import Pool, Role, State
from posthouse.outbox.operator import ACTIONS, BOUNCE, CANCEL, HOLD, RELEASE, RETRY, Action, move_to
from posthouse.web.pages import query, selecting, story, words
from posthouse.web.pages.selecting import Asked
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech
from posthouse.web.pages.view import by_field, page, see
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech

_MOVE: Final = "move"
LABELS: Final = {
    RETRY.name: N_("Retry now"),
    HOLD.name: N_("Hold"),
    RELEASE.name: N_("Release"),
    CANCEL.name: N_("Cancel"),
    BOUNCE.name: N_("Bounce"),
    _MOVE: N_("Move"),
}
_FINAL: Final = frozenset({CANCEL.name, BOUNCE.name})


@get("/queue/select", include_in_schema=False)
async def queue_select_page(request: Page, person: Person) -> Response[str]:
    """The form that says which mail is meant."""
    need(person, Role.SENDER)
    asked = selecting.read(request.query_params, speech(request, person).now)
    return _select(request, person, asked.kept, {})


@get("/queue/{name:str}", include_in_schema=False)
async def queue_act_page(request: Page, person: Person, name: FromPath[str]) -> Response[str]:
    """Says what the action would touch, and asks."""
    _need(person, name)
    asked = selecting.read(request.query_params, speech(request, person).now)
    to = query.text(request.query_params, "to")
    action = _action(name, to, forced=False)
    if asked.selection is None or action is None:
        errors = asked.errors if action else asked.errors | {"to": [N_("Choose one of the list.")]}
        return _select(request, person, asked.kept | {"to": to}, errors, status=422)
    return await _sure(request, person, action, asked)


@post("/queue/{name:str}", status_code=200, include_in_schema=False)
async def queue_act(request: Page, person: Person, name: FromPath[str]) -> Response[str] | Redirect:
    """Does it to all mail that is meant."""
    _need(person, name)
    fields = {key: value for key, value in (await form(request, person)).items() if isinstance(value, str)}
    asked = selecting.read(fields, speech(request, person).now)
    action = _action(name, query.text(fields, "to"), forced=fields.get("force") == "1")
    if asked.selection is None or action is None:
        raise NotFoundException
    process, workspace_id = rooms(request).process, person.workspace.workspace_id
    reason = query.text(fields, "reason")
    outlook = await operate.look(process, workspace_id, action, asked.selection)
    shared = process.settings.delivery.shared_pool
    if problems := (*operate.refusal(action, reason, shared_pool=shared), *outlook.problems):
        errors = by_field(problems, speech(request, person))
        return await _sure(request, person, action, asked, status=422, errors=errors, reason=reason)
    touched = await operate.apply(process, workspace_id, action, asked.selection, person.actor, reason)
    return see(f"/queue?said={name if touched else 'nothing'}")


def _need(person: SignedIn, name: str) -> None:
    """Whoever sends may also stop; what ends as bounced or leaves by another pool is the administrator's to say."""
    if name not in LABELS:
        raise NotFoundException
    need(person, Role.SENDER if name in ACTIONS else Role.ADMIN)


def _action(name: str, to: str, *, forced: bool) -> Action | None:
    """The action; None for a move to nowhere."""
    if name == _MOVE:
        return move_to(Pool(to), forced=forced) if to in set(Pool) else None
    return BOUNCE if name == BOUNCE.name else ACTIONS[name]


def _select(
    request: Page,
    person: SignedIn,
    kept: Mapping[str, str],
    errors: Mapping[str, list[str]],
    *,
    status: int = 200,
) -> Response[str]:
    spoken = speech(request, person)
    names = LABELS if person.may(Role.ADMIN) else ACTIONS
    return page(
        request,
        person,
        "queue_select.html",
        "queue",
        status=status,
        form=dict.fromkeys((*selecting.LABELS, "to"), "") | dict(kept),
        errors={name: [spoken.say(sentence) for sentence in sentences] for name, sentences in errors.items()},
        acts=[{"name": name, "label": LABELS[name], "final": name in _FINAL} for name in names if name != _MOVE],
        pools=[*Pool],
        states={state: words.STATES[state].label for state in selecting.STATES},
        hours=selecting.HOURS,
    )


async def _sure(
    request: Page,
    person: SignedIn,
    action: Action,
    asked: Asked,
    *,
    status: int = 200,
    errors: Mapping[str, list[str]] | None = None,
    reason: str = "",
) -> Response[str]:
    assert asked.selection is not None
    spoken, process = speech(request, person), rooms(request).process
    outlook = await operate.look(process, person.workspace.workspace_id, action, asked.selection)
    mails = outlook.mails + outlook.spared
    return page(
        request,
        person,
        "sure.html",
        "queue",
        status=status,
        heading=_heading(action, asked, spoken),
        back=f"/queue/select?{query.encoded(asked.kept)}",
        back_label=spoken.say("Which mail"),
        touches=_touches(action, mails, outlook.spared, spoken),
        facts=[
            {"label": selecting.LABELS[name], "value": _shown(name, value, spoken)}
            for name, value in asked.kept.items()
        ],
        tone="bad" if action.name in _FINAL else "wait",
        action=f"/queue/{action.name}",
        fields=asked.kept | ({"to": str(action.pool)} if action.pool else {}),
        label=spoken.say(LABELS[action.name]),
        look="danger sure" if action.name in _FINAL else "",
        possible=mails > 0,
        ask_reason=action.name == BOUNCE.name or outlook.spared > 0 or bool(errors),
        ask_force=outlook.spared > 0,
        reason=reason,
        errors=errors or {},
    )


def _shown(name: str, value: str, spoken: Speech) -> str:
    return spoken.say(words.STATES[State(value)].label) if name == "state" else value


def _heading(action: Action, asked: Asked, spoken: Speech) -> str:
    label = spoken.say(LABELS[action.name])
    if action.pool:
        label = spoken.say("Move to the pool {pool}", pool=action.pool)
    return f"{label}: {asked.kept['domain']}" if asked.kept.keys() == {"domain"} else label


def _touches(action: Action, mails: int, spared: int, spoken: Speech) -> tuple[str, ...]:
    if not mails:
        return (spoken.say("There is nothing to do it to."),)
    marketing = spoken.count(
        "One of them is marketing: it would go before resets and receipts and share their sending addresses.",
        "{n} of them are marketing: they would go before resets and receipts and share their sending addresses.",
        spared,
    )
    still = spoken.say("Mail that is being sent at this moment is not touched.")
    return (story.touches(action, mails, spoken), *((marketing,) if spared else ()), still)
