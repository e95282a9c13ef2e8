"""The grammar of SMTP commands (RFC 5321 4.1), read strictly: a value, or the reply that refuses the line."""

import ipaddress
import re
from typing import Final, Literal

from posthouse.model.limits import ADDRESS_OCTETS, LOCAL_PART_OCTETS
from posthouse.model.values import dataclass
from posthouse.wire import smtp_server_replies as replies
from posthouse.wire.smtp_server_replies import Reply

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a0-\U0010ffff]+"
_QUOTED: Final = r'"(?:[ !#-\[\]-~\u00a0-\U0010ffff]|\\[ -~])*"'
_ALNUM: Final = r"[A-Za-z0-9\u00a0-\U0010ffff]"
_LABEL: Final = rf"{_ALNUM}(?:[A-Za-z0-9\-\u00a0-\U0010ffff]{{0,61}}{_ALNUM})?"
_LITERAL: Final = r"\[(?:[0-9.]{7,15}|IPv6:[0-9A-Fa-f:.]{2,45})\]"
_MAILBOX: Final = rf"(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_LABEL}(?:\.{_LABEL})*|{_LITERAL})"
# RFC 5321 4.1.1: no space belongs between the colon and the path, but enough clients send one.
_REVERSE_PATH: Final = re.compile(rf" ?<((?:{_MAILBOX})?)>(?: +(.*))?")
_FORWARD_PATH: Final = re.compile(rf" ?<({_MAILBOX}|[A-Za-z]+)>(?: +(.*))?")
_ROUTE: Final = re.compile(r" ?<@[^<>]*:")
_PARAMETER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9\-]*)(?:=([!-<>-~\u00a0-\U0010ffff]+))?")
_HELLO: Final = re.compile(r"[!-~]{1,255}")

Body = Literal["7BIT", "8BITMIME"]


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What MAIL announced: `size` in octets (RFC 1870, None when not said), `body` (RFC 6152), `smtputf8` (RFC 6531)."""

    size: int | None = None
    body: Body = "7BIT"
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class MailCommand:
    """A well-formed MAIL; `address` is empty for the null sender."""

    address: str
    parameters: MailParameters


_NO_PARAMETERS: Final = MailParameters()


def split(line: bytes) -> tuple[str, str] | Reply:
    """A command line without its CRLF as upper-case verb and argument."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return replies.NOT_TEXT
    if _CONTROL.search(text):
        return replies.NOT_TEXT
    verb, _, argument = text.partition(" ")
    if not verb.isascii():  # upper() would turn a few foreign letters into ours
        return replies.UNKNOWN
    return verb.upper(), argument.strip(" ")


def is_hello_name(argument: str) -> bool:
    """Whether EHLO may be given this. Names are taken as they come: half the world's clients do not know their own."""
    return _HELLO.fullmatch(argument) is not None


def parse_mail(argument: str, *, smtputf8_offered: bool) -> MailCommand | Reply:
    """`FROM:<path> parameters` (RFC 5321 4.1.1.2)."""
    if argument[:5].upper() != "FROM:":
        return replies.MAIL_SYNTAX
    match = _REVERSE_PATH.fullmatch(argument, 5)
    if match is None:
        return replies.SENDER_ROUTE if _ROUTE.match(argument, 5) else replies.BAD_SENDER
    address, rest = match.groups()
    parameters = _mail_parameters(rest, smtputf8_offered) if rest else _NO_PARAMETERS
    if isinstance(parameters, Reply):
        return parameters
    if not address.isascii() and not parameters.smtputf8:
        return replies.NEEDS_SMTPUTF8
    if address and not _is_sound(address):
        return replies.BAD_SENDER
    return MailCommand(address, parameters)


def parse_rcpt(argument: str, *, smtputf8: bool) -> str | Reply:
    """`TO:<path>` (RFC 5321 4.1.1.3): the address, or `postmaster` alone, which has no domain."""
    if argument[:3].upper() != "TO:":
        return replies.RCPT_SYNTAX
    match = _FORWARD_PATH.fullmatch(argument, 3)
    if match is None:
        return replies.RECIPIENT_ROUTE if _ROUTE.match(argument, 3) else replies.BAD_RECIPIENT
    address: str = match[1]
    if match[2]:
        return replies.UNKNOWN_PARAMETER
    if not address.isascii() and not smtputf8:
        return replies.NEEDS_SMTPUTF8
    sound = _is_sound(address) if "@" in address else address.lower() == "postmaster"
    return address if sound else replies.BAD_RECIPIENT


def _is_sound(address: str) -> bool:
    """The lengths and address literals that the grammar alone does not bound (RFC 5321 4.5.3.1, 4.1.3)."""
    local, _, domain = address.rpartition("@")
    if len(address.encode()) > ADDRESS_OCTETS or len(local.encode()) > LOCAL_PART_OCTETS:
        return False
    return not domain.startswith("[") or _is_ip_literal(domain[1:-1])


def _is_ip_literal(text: str) -> bool:
    try:
        if text[:5].upper() == "IPV6:":
            ipaddress.IPv6Address(text[5:])
        else:
            ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _mail_parameters(text: str, smtputf8_offered: bool) -> MailParameters | Reply:
    found: dict[str, str | None] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None or match[1].upper() in found:
            return replies.BAD_PARAMETER
        found[match[1].upper()] = match[2]
    known = {"SIZE", "BODY", "AUTH", "SMTPUTF8"} if smtputf8_offered else {"SIZE", "BODY", "AUTH"}
    if not known.issuperset(found):
        return replies.UNKNOWN_PARAMETER
    return _mail_values(found)


def _mail_values(found: dict[str, str | None]) -> MailParameters | Reply:
    """RFC 4954 5 lets AUTH= be ignored by a server that does not trust the client, which we never do."""
    size, body = found.get("SIZE", "0"), (found.get("BODY", "7BIT") or "").upper()
    if size is None or len(size) > 20 or not (size.isascii() and size.isdigit()):
        return replies.BAD_PARAMETER
    if body not in ("7BIT", "8BITMIME") or found.get("SMTPUTF8") is not None or found.get("AUTH", "") is None:
        return replies.BAD_PARAMETER
    return MailParameters(
        size=int(size) if "SIZE" in found else None,
        body="8BITMIME" if body == "8BITMIME" else "7BIT",
        smtputf8="SMTPUTF8" in found,
    )
