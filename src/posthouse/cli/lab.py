"""`posthouse lab`: read what the lab received, wait for a mail, list the addresses that misbehave.

It speaks to the lab's web port, so it works against any lab whose address it is given.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Final, Never

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from posthouse.runtime.settings import connectable
from posthouse.runtime.settings_source import SettingsError, load

app: Final = App(name="lab", help="The lab's mail: a recipient world for trying and testing.")

_out: Final = Console(soft_wrap=True, highlight=False)
_err: Final = Console(stderr=True, highlight=False)
_POLL_S: Final = 0.2
_TIMEOUT_S: Final = 10.0
NOT_FOUND: Final = 1
UNREACHABLE: Final = 3

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for programs.")]
Config = Annotated[Path | None, Parameter(help="Settings file, to find the lab's port.")]
To = Annotated[str, Parameter(help="Recipient's address, or a part of it.", show_default=False)]
Url = Annotated[
    str,
    Parameter(
        help="Address of the lab's mailbox as `posthouse up` prints it; default http://127.0.0.1:8605.",
        show_default=False,
    ),
]


@app.command
def messages(
    *,
    to: To = "",
    query: Annotated[str, Parameter(help="Part of a recipient, sender or subject.", show_default=False)] = "",
    limit: Annotated[int, Parameter(help="Most mails.")] = 20,
    as_json: Json = False,
    url: Url = "",
    config: Config = None,
) -> None:
    """List received mail, newest first.

    For example:

        posthouse lab messages --to anna@example.com

        posthouse lab messages --query invoice --json
    """
    found = _get(_base(url, config), "/api/messages", to=to, q=query, limit=limit)["messages"]
    if as_json:
        _print_json(found)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "received", "to", "subject"):
        table.add_column(column)
    for mail in found:
        table.add_row(str(mail["id"]), mail["received_at"][:19], ", ".join(mail["recipients"]), mail["subject"])
    _out.print(table if found else "No mail.")


@app.command
def show(
    number: Annotated[int, Parameter(help="The mail's number, as `lab messages` and `lab wait` print it.")],
    /,
    *,
    raw: Annotated[bool, Parameter(negative="", help="Every octet as received, headers and all.")] = False,
    as_json: Json = False,
    url: Url = "",
    config: Config = None,
) -> None:
    """Show one mail: envelope, verdict and text; or, with --raw, every octet as received.

    For example:

        posthouse lab show 7

        posthouse lab show 7 --raw > mail.eml
    """
    base = _base(url, config)
    if raw:
        _out.file.buffer.write(_fetch(f"{base}/api/messages/{number}/raw"))  # type: ignore[attr-defined]  # a text stream
        return
    mail = _get(base, f"/api/messages/{number}")
    if as_json:
        _print_json(mail)
        return
    for name in ("mail_from", "recipients", "from", "subject", "received_at", "tls"):
        value = mail[name]
        _out.print(f"{name + ':':<13}{', '.join(value) if isinstance(value, list) else value}", markup=False)
    for finding in mail["verdict"]["findings"]:
        _out.print(f"{finding['check'] + ':':<13}{finding['result']}. {finding['sentence']}", markup=False)
    _out.print(f"\n{mail['text']}", markup=False)


@app.command
def addresses(*, as_json: Json = False, url: Url = "", config: Config = None) -> None:
    """List the addresses that misbehave, and what each shows.

    For example:

        posthouse lab addresses
    """
    found = _get(_base(url, config), "/api/addresses")["addresses"]
    if as_json:
        _print_json(found)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("local part", "does", "shows"):
        table.add_column(column)
    for behaviour in found:
        table.add_row(behaviour["local_part"], behaviour["does"], behaviour["shows"])
    _out.print(table)


@app.command
def wait(
    *,
    to: To,
    timeout: Annotated[float, Parameter(help="Seconds to wait at most.")] = 60.0,
    as_json: Json = False,
    url: Url = "",
    config: Config = None,
) -> None:
    """Wait until a mail to an address is there, and print its number. Exit code 1 when none came in time.

    For example:

        posthouse lab wait --to anna@example.com --timeout 30
    """
    base = _base(url, config)
    last = time.monotonic() + timeout
    while True:
        found = _get(base, "/api/messages", to=to, limit=1)["messages"]
        if found:
            _print_json(found[0]) if as_json else _out.print(str(found[0]["id"]))
            return
        if time.monotonic() >= last:
            _fail(f"No mail to {to} came within {timeout:g} seconds.", NOT_FOUND)
        time.sleep(_POLL_S)


def _base(url: str, config: Path | None) -> str:
    if url:
        return url.rstrip("/")
    try:
        lab = load(config).lab
    except SettingsError as error:
        _fail(str(error), 2)
    return f"http://{connectable(lab.host)}:{lab.web_port}"


def _get(base: str, path: str, **query: object) -> Any:  # noqa: ANN401 - JSON
    given = {name: value for name, value in query.items() if value != ""}
    return json.loads(_fetch(f"{base}{path}?{urllib.parse.urlencode(given)}"))


def _fetch(url: str) -> bytes:
    assert url.startswith(("http://", "https://"))
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 - checked above
            content: bytes = response.read()
            return content
    except urllib.error.HTTPError as error:
        _fail(_detail(error), NOT_FOUND)
    except OSError as error:
        _fail(f"The lab does not answer at {url}: {error}. Is `posthouse up --lab` running?", UNREACHABLE)


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The lab answered {error.code}."


def _print_json(value: object) -> None:
    _out.print_json(data=value) if _out.is_terminal else _out.print(json.dumps(value), markup=False)


def _fail(message: str, code: int) -> Never:
    _err.print(message, style="red", markup=False)
    raise SystemExit(code)
