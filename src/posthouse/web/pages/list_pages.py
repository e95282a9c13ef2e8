"""A list looked at before anybody is written to: handed in as a file or pasted, told in words, given back in two parts.

Nothing of it is kept: the report is the answer to the form, and the two files to take away are inside the page itself.
"""

import base64
import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from litestar import Response, get, post

from posthouse.accounts.sign_in import SignedIn
from posthouse.audience import hygiene
from posthouse.audience.hygiene import Advice, Divided, Examined, Finding
from posthouse.intake import list_check
from posthouse.intake.list_check import Domains, ListReport
from posthouse.intake.suppression_csv import harmless
from posthouse.model import limits
from posthouse.model.words import Role
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text, upload
from posthouse.web.pages.suppression_pages import TABS
from posthouse.web.pages.view import page
from posthouse.web.pages.words import N_, Word
from posthouse.web.text import Speech

FINDINGS: Final = {
    Finding.INVALID: Word(
        N_("No usable address"), "bad", "cross", N_("Remove them, or put the spelling right where you can see it.")
    ),
    Finding.DUPLICATE: Word(N_("Twice in the list"), "wait", "copy", N_("Remove the second one.")),
    Finding.BOUNCED: Word(
        N_("Bounced before"), "bad", "cross", N_("Remove them: nothing is sent there. Ask these people another way.")
    ),
    Finding.OPTED_OUT: Word(
        N_("Asked not to be written to"), "bad", "shield", N_("Remove them: marketing is not sent there anyway.")
    ),
    Finding.DEAD_DOMAIN: Word(
        N_("The domain takes no mail any more"), "bad", "cross", N_("Remove them: every mail to them would bounce.")
    ),
    Finding.TAKES_NO_MAIL: Word(
        N_("The domain says that it takes no mail"), "bad", "slash", N_("Remove them: every mail to them would bounce.")
    ),
    Finding.TYPO: Word(
        N_("Probably misspelled"), "wait", "warning", N_("Correct them, after asking the people where you can.")
    ),
    Finding.DISPOSABLE: Word(
        N_("Throw-away address"), "wait", "clock", N_("Keep those that signed up themselves and read your mail.")
    ),
    Finding.ROLE: Word(
        N_("An office, not a person"),
        "wait",
        "info",
        N_("Keep those that signed up themselves: offices complain more."),
    ),
    Finding.UNKNOWN_DOMAIN: Word(
        N_("The DNS did not answer"), "", "help", N_("Nothing is known about them: look again later.")
    ),
}
_ADVICE: Final = {
    Advice.REMOVE: (N_("Remove"), "bad"),
    Advice.CORRECT: (N_("Correct"), "wait"),
    Advice.REVIEW: (N_("Look at"), ""),
    Advice.KEEP: (N_("Keep"), "good"),
}
_SHOWN: Final = 10  # rows of each finding; the files have all
_OWN_COLUMNS: Final = ("line", "advice", "findings", "detail", "suggestion")


@get("/suppressions/list-check", include_in_schema=False)
async def list_page(request: Page, person: Person) -> Response[str]:
    """The two ways to hand a list in."""
    need(person, Role.SENDER)
    return _page(request, person)


@post("/suppressions/list-check/file", status_code=200, include_in_schema=False)
async def list_file(request: Page, person: Person) -> Response[str]:
    """Looks at a file."""
    need(person, Role.SENDER)
    sent = await upload(request, person)
    return await _report(request, person, _decoded(sent.file), "file", sent.filename)


@post("/suppressions/list-check", status_code=200, include_in_schema=False)
async def list_pasted(request: Page, person: Person) -> Response[str]:
    """Looks at what was pasted."""
    need(person, Role.SENDER)
    return await _report(request, person, text(await form(request, person), "addresses"), "addresses")


async def _report(request: Page, person: SignedIn, listed: str, field: str, name: str = "") -> Response[str]:
    spoken, known = speech(request, person), rooms(request)
    pasted = listed if field == "addresses" else ""
    wrong = _too_much(listed, spoken)
    if wrong:
        return _page(request, person, status=422, errors={field: [wrong]}, pasted=pasted)
    process = known.process
    domains = Domains.of(process.settings, known.resolver(), limits.LIST_PATIENCE_S)
    report = await list_check.check(process.pool, person.workspace.workspace_id, listed, domains, process.clock.now())
    if not report.summary.addresses:
        told = spoken.say("There is no address in it: one on each line, or a table with a column of them.")
        return _page(request, person, status=422, errors={field: [told]}, pasted=pasted)
    return _page(
        request,
        person,
        report=_told(report, spoken),
        files=_files(hygiene.split(listed, report.examined)),
        filename=name,
    )


def _too_much(listed: str, spoken: Speech) -> str:
    if not listed.strip():
        return spoken.say("Choose a file, or paste some addresses.")
    if len(listed) > limits.LIST_PAGE_CHARS or listed.count("\n") > limits.LIST_PER_CALL:
        return spoken.say("It is too long for this page: posthouse list check takes up to a million addresses.")
    return ""


def _told(report: ListReport, spoken: Speech) -> dict[str, Any]:
    summary = report.summary
    return {
        "addresses": summary.addresses,
        "advice": [
            {"label": label, "colour": colour, "count": summary.advice.get(each, 0)}
            for each, (label, colour) in _ADVICE.items()
        ],
        "is_dangerous": summary.is_dangerous,
        "unreachable": summary.unreachable,
        "share": spoken.percent(summary.unreachable, summary.addresses),
        "findings": [
            {"word": FINDINGS[each], "count": summary.findings[each], "rows": list(_first(report.remarkable, each))}
            for each in Finding
            if summary.findings.get(each, 0)
        ],
    }


def _first(remarkable: Iterable[Examined], finding: Finding) -> Sequence[Examined]:
    return [each for each in remarkable if finding in each.findings][:_SHOWN]


def _files(divided: Divided) -> list[dict[str, Any]]:
    """What there is to take away, each as the address of its own content."""
    header = [list(divided.header)] if divided.header else []
    rejected = [
        [str(each.line), each.advice, " ".join(each.findings), harmless(each.detail), harmless(each.suggestion), *row]
        for each, row in divided.rejected
    ]
    return [
        {"name": "list-cleaned.csv", "rows": len(divided.kept), "href": _data([*header, *divided.kept])},
        {
            "name": "list-rejected.csv",
            "rows": len(rejected),
            "href": _data([[*_OWN_COLUMNS, *divided.header], *rejected]),
        },
    ]


def _data(rows: Iterable[Sequence[str]]) -> str:
    """A CSV as a URL (RFC 2397). The list's own cells stay as they are: they are the reader's."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(out.getvalue().encode("utf-8", "replace")).decode()


def _decoded(file: bytes) -> str:
    """UTF-8, else what spreadsheets write in this part of the world."""
    try:
        return file.decode("utf-8-sig")
    except UnicodeDecodeError:
        return file.decode("cp1252", "replace")


def _page(request: Page, person: SignedIn, status: int = 200, **context: Any) -> Response[str]:  # noqa: ANN401
    known: dict[str, Any] = {
        "report": None,
        "files": [],
        "filename": "",
        "pasted": "",
        "tabs": TABS,
        "tab_here": "check",
    }
    most = speech(request, person).number(limits.LIST_PER_CALL)
    return page(request, person, "list_check.html", "suppressions", status=status, most=most, **(known | context))
