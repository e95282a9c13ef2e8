"""`posthouse report`: what receivers report about domains, read from files. Needs no installation."""

import sys
from pathlib import Path
from typing import Final

import msgspec
from cyclopts import App
from rich.console import Console, Group
from rich.text import Text

from posthouse.cli import console, report_text
from posthouse.cli.console import EXIT_REFUSED, Json
from posthouse.cli.world import EXIT_SETTINGS
from posthouse.model.limits import REPORT_UNPACKED_OCTETS
from posthouse.wire import report_files
from posthouse.wire.report_files import Found
from posthouse.wire.unpacking import Reason, Refused

app: Final = App(name="report", help="What receivers report about your domains: DMARC and TLS.")


@app.command
def read(file: Path, /, *files: Path, as_json: Json = False) -> None:
    """Say what is in report files: DMARC aggregate reports, DMARC failure reports and TLS reports.

    XML and JSON, as they are, packed as .gz or .zip, or attached to a mail; what a file is, is told by its content. With --json each
    file is one line. Nothing is written anywhere.

    Exit status: 0 all were read, 1 a file, or a part of one, was refused, 2 wrong usage, or a file is not there.

    For example:

        posthouse report read google.com!example.com!1709683200!1709769599.zip

        posthouse report read --json reports/*.xml.gz
    """
    good = True
    for each in (file, *files):
        found = _read(each)
        good &= not any(isinstance(one.content, Refused) for one in found)
        if as_json:
            print(msgspec.json.encode(report_text.view(str(each), found)).decode())
        else:
            _print(report_text.told(str(each), found))
    if not good:
        sys.exit(EXIT_REFUSED)


def _read(file: Path) -> list[Found]:
    try:
        if file.stat().st_size > REPORT_UNPACKED_OCTETS:
            detail = f"It is larger than {REPORT_UNPACKED_OCTETS} octets."
            return [Found(file.name, Refused(Reason.TOO_LARGE, detail))]
        return list(report_files.read(file.read_bytes(), file.name))
    except OSError as error:
        console.leave(f"{file}: {error.strerror}.", status=EXIT_SETTINGS)


def _print(lines: Group | Text) -> None:
    Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else console.PIPE_COLUMNS).print(lines)
