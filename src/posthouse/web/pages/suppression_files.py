"""Suppression lists as files: a CSV handed in by a form, and the list as CSV. Longer files than a form takes go by API or command."""

from collections.abc import AsyncIterator
from typing import Any

from litestar import Response, get, post
from litestar.response import Stream

from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import suppressing
from posthouse.intake.suppressing import Asked, Imported
from posthouse.intake.suppression_csv import HeaderError
from posthouse.model.limits import FORM_OCTETS
from posthouse.model.words import Role
from posthouse.web.pages.session import Page, Person, need, rooms, speech, upload
from posthouse.web.pages.suppression_pages import read
from posthouse.web.pages.view import page
from posthouse.web.pages.words import SUPPRESSION_REASONS, SUPPRESSION_SCOPES

CSV_TYPE = "text/csv; charset=utf-8"
_PIECE = 262_144


@get("/suppressions/import", include_in_schema=False)
async def import_page(request: Page, person: Person) -> Response[str]:
    """The form."""
    need(person, Role.ADMIN)
    return _form(request, person, {})


@post("/suppressions/import", status_code=200, include_in_schema=False)
async def import_file(request: Page, person: Person) -> Response[str]:
    """Adds what can be read of the file and names the lines that cannot."""
    need(person, Role.ADMIN)
    sent = await upload(request, person)
    fields, file = sent.fields, sent.file
    spoken = speech(request, person)
    values = {name: fields.get(name, "") for name in ("scope", "reason")}
    if values["scope"] not in ("", *SUPPRESSION_SCOPES) or values["reason"] not in SUPPRESSION_REASONS:
        return _form(request, person, {}, status=422, errors={"reason": [spoken.say("Choose one of these.")]})
    if not file.strip():
        return _form(request, person, values, status=422, errors={"file": [spoken.say("Choose a file.")]})
    default = Asked("", values["scope"], values["reason"])
    process, workspace_id = rooms(request).process, person.workspace.workspace_id
    try:
        done = await suppressing.import_csv(process, workspace_id, person.actor, _pieces(file), default)
    except HeaderError:
        told = spoken.say("The first line names no column “address”, and its first cell is no address either.")
        return _form(request, person, values, status=422, errors={"file": [told]})
    return _form(request, person, values, done=_told(done))


@get("/suppressions/export", include_in_schema=False)
async def export_file(request: Page, person: Person) -> Stream:
    """The list as the page's filters narrow it."""
    _, wanted = read(request.query_params, speech(request, person))
    pieces = suppressing.export_csv(rooms(request).process, person.workspace.workspace_id, wanted)
    return csv_file(pieces, "suppressions.csv")


def csv_file(pieces: AsyncIterator[bytes], name: str) -> Stream:
    """A file that is sent as it is made."""
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Stream(pieces, media_type=CSV_TYPE, headers=headers)


async def _pieces(file: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(file), _PIECE):
        yield file[at : at + _PIECE]


def _told(done: Imported) -> dict[str, Any]:
    return {
        "lines": done.lines,
        "added": done.added,
        "known": done.lines - done.added - done.refused,
        "refused": done.refused,
        "problems": done.problems,
    }


def _form(request: Page, person: SignedIn, values: dict[str, str], **context: Any) -> Response[str]:  # noqa: ANN401
    return page(
        request,
        person,
        "suppression_import.html",
        "suppressions",
        form={"scope": "", "reason": "imported"} | values,
        scopes=SUPPRESSION_SCOPES,
        reasons=SUPPRESSION_REASONS,
        most=speech(request, person).size(FORM_OCTETS),
        **context,
    )
