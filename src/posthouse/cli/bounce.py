"""`posthouse bounce`: what mail that came back means, and which rule says so."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from posthouse.ledger import classify
from posthouse.ledger.classify import Verdict
from posthouse.ledger.explain import Affected
from posthouse.ledger.explain import explain as read_mail
from posthouse.ledger.kind import Kind

app: Final = App(name="bounce", help="What mail that came back means, and which rule says so.")

EXIT_UNREADABLE: Final = 1
# A reader who wants no more mail comes the same way as one who complains, and programs that read these lines know one word for both.
_KINDS: Final = {Kind.OPT_OUT: Kind.COMPLAINT}


@app.command
def explain(
    *files: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    reply: Annotated[
        bool, Parameter(negative="", help="Read SMTP replies instead, one a line, from standard input.")
    ] = False,
) -> None:
    """Say what each message is, whom it is about and what that means for them: one line of JSON a message.

    Keys: `file`, `kind` (bounce, delay, success, auto_reply, challenge, complaint, other) and `recipients`, each with `address`,
    `class` (hard, soft, blocked, unknown), `reason`, `smtp_code`, `enhanced_status`, `rule`. Files are messages as they came; - is
    standard input. Nothing is stored and no database is needed.

    Exit status: 0 done, 1 a file cannot be read (the others are), 2 wrong usage.

    For example:

        posthouse bounce explain returned.eml

        posthouse bounce explain Maildir/new/*

        echo "550 5.1.1 User unknown" | posthouse bounce explain --reply
    """
    if reply:
        _print(_verdicts(sys.stdin))
        return
    unreadable: list[str] = []
    _print(_explained(files, unreadable))
    for problem in unreadable:
        print(problem, file=sys.stderr)
    if unreadable:
        sys.exit(EXIT_UNREADABLE)


def _explained(files: Iterable[Path], unreadable: list[str]) -> Iterator[dict[str, Any]]:
    for file in files:
        try:
            content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        except OSError as error:
            unreadable.append(f"{file}: {error.strerror}")
            continue
        found = read_mail(content)
        yield {
            "file": str(file),
            "kind": str(_KINDS.get(found.kind, found.kind)),
            "recipients": [_recipient(each) for each in found.recipients],
        }


def _verdicts(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.strip():
            yield {"reply": line.rstrip("\r\n"), **_verdict(classify.of_line(line))}


def _recipient(affected: Affected) -> dict[str, Any]:
    return {"address": affected.address, **_verdict(affected.verdict)}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "class": str(verdict.bounce_class),
        "reason": verdict.reason,
        "smtp_code": verdict.smtp_code or None,
        "enhanced_status": verdict.enhanced or None,
        "rule": verdict.rule,
    }


def _print(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
    sys.stdout.flush()
