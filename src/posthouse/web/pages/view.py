"""Puts values into templates. The templates escape everything; nothing here or in them builds HTML from text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import minijinja
from litestar import MediaType, Response
from litestar.response import Redirect

from posthouse.accounts.alerts import Worst
from posthouse.accounts.sign_in import SignedIn
from posthouse.model.errors import FieldProblem
from posthouse.model.words import Role
from posthouse.web.pages import assets, words
from posthouse.web.pages.session import Page, form_token, rooms, speech
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech

RAIL: Final = (
    {"name": "home", "href": "/", "label": N_("Home")},
    {"name": "messages", "href": "/messages", "label": N_("Messages")},
    {"name": "domains", "href": "/domains", "label": N_("Domains")},
    {"name": "reports", "href": "/reports", "label": N_("Reports")},
    {"name": "queue", "href": "/queue", "label": N_("Queue")},
    {"name": "suppressions", "href": "/suppressions", "label": N_("Suppressions")},
    {"name": "keys", "href": "/keys", "label": N_("Keys")},
    {"name": "settings", "href": "/settings", "label": N_("Settings")},
)
# What a page says after a redirect (`?said=saved`): fixed sentences, so that a link cannot put words into our mouth.
SAID: Final = {
    "saved": N_("Saved."),
    "sent": N_("Accepted. This page follows it."),
    "removed": N_("Removed."),
    "revoked": N_("Revoked. Programs that use it are refused from now on."),
    "password": N_("Password changed. You are signed out everywhere else."),
    "cancel": N_("Cancelled. Mail that was already being sent is not affected."),
    "retry": N_("Put first in line."),
    "hold": N_("Held until you release it."),
    "release": N_("Released."),
    "bounce": N_("Ended as bounced."),
    "move": N_("Moved to the other pool."),
    "suspended": N_("Suspended. Mail that is on the wire at this moment still ends."),
    "resumed": N_("Resumed. The mail goes at its own time."),
    "suppressed": N_("Suppressed from this moment on."),
    "lifted": N_("Lifted. The audit log keeps who did it, and why."),
    "cleared": N_("Off the list."),
    "dismissed": N_("Dismissed. It comes back if the trouble is found again."),
    "replayed": N_("On its way."),
    "report": N_("Taken. It counts below."),
    "export": N_("Submitted. This page shows how far it is."),
    "known": N_("It was here already; nothing changed."),
    "nothing": N_("There was nothing left to do it to."),
}


@dataclass(frozen=True, slots=True)
class Flash:
    """One sentence on top of the page."""

    text: str
    tone: str = "good"


@cache
def _environment() -> minijinja.Environment:
    folder = files(__package__).joinpath("templates")

    def load(name: str) -> str | None:
        place = folder.joinpath(name)
        return place.read_text(encoding="utf-8") if place.is_file() else None

    # semi_strict: a missing value may be tested, and printing one is an error; minijinja's own stub does not know the word yet.
    options: dict[str, Any] = {
        "loader": load,
        "undefined_behavior": "semi_strict",
        "auto_escape_callback": lambda _: True,
    }
    environment = minijinja.Environment(**options)
    environment.add_global("states", words.STATES)
    environment.add_global("asset", lambda path: minijinja.safe(assets.address(path)))  # ours: nothing to escape
    return environment


def fragment(name: str, spoken: Speech, **context: Any) -> str:  # noqa: ANN401 - templates take any value
    """One template as text."""
    return _environment().render_template(
        name, _=spoken.say, ngettext=spoken.count, number=spoken.number, speech=spoken, **context
    )


def page(
    request: Page,
    person: SignedIn,
    name: str,
    here: str,
    *,
    status: int = 200,
    **context: Any,  # noqa: ANN401
) -> Response[str]:
    """A page inside the frame: rail, search, help. `here` is the noun it belongs to."""
    spoken = speech(request, person)
    workspace = person.workspace
    known = {
        "person": person,
        "rail": RAIL,
        "here": here,
        "csrf": form_token(request, person),
        "may_send": person.may(Role.SENDER),
        "may_manage": person.may(Role.ADMIN),
        "flash": said(request, spoken),
        "support": workspace.support_contact or rooms(request).process.settings.mail.support_contact,
        "errors": {},
        "banner": _banner(request.state.get("worst_alert"), spoken),
    }
    return html(fragment(name, spoken, **(known | context)), status)


def _banner(worst: Worst | None, spoken: Speech) -> dict[str, Any] | None:
    """The alert on top of the page, and how many more there are."""
    if worst is None:
        return None
    trouble = worst.trouble
    return {"level": trouble.level, "path": trouble.path, "sentence": words.alert(trouble, spoken), "more": worst.more}


def part(request: Page, person: SignedIn, name: str, **context: Any) -> Response[str]:  # noqa: ANN401
    """A piece of a page that replaces itself."""
    known = {
        "csrf": form_token(request, person),
        "may_send": person.may(Role.SENDER),
        "may_manage": person.may(Role.ADMIN),
        "errors": {},
    }
    return html(fragment(name, speech(request, person), **(known | context)))


def html(text: str, status: int = 200) -> Response[str]:
    """HTML that no cache keeps."""
    return Response(text, media_type=MediaType.HTML, status_code=status, headers={"cache-control": "no-store"})


def see(path: str) -> Redirect:
    """After a POST: look there (303), so that reload and back are safe."""
    return Redirect(path, status_code=303)


def said(request: Page, spoken: Speech) -> Flash | None:
    """The sentence the page before asked for."""
    key = request.query_params.get("said", "")
    return Flash(spoken.say(SAID[key]), "good" if key != "nothing" else "") if key in SAID else None


def by_field(
    problems: Iterable[FieldProblem], spoken: Speech, names: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """Problems by the form's field: `/to/0` belongs to `to`. `names` maps where the form calls a field something else."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        field = problem.pointer.strip("/").partition("/")[0].lower()
        found.setdefault((names or {}).get(field, field), []).append(spoken.say(problem.detail))
    return found
