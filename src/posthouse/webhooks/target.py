"""Reading the address an endpoint has. Pure: whether it may be connected to is asked of each address at each connect."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from posthouse.model.errors import FieldProblem
from posthouse.model.limits import WEBHOOK_URL_CHARS
from posthouse.runtime.http_post import Target
from posthouse.runtime.reach import Network, Reach
from posthouse.wire.addresses import to_a_label

POINTER: Final = "/url"
_NOT_HTTPS: Final = "It must begin with https://. Plain http is for programs inside, whose network the operator names in webhooks.allowed_networks."


def read(text: str, allowed: Sequence[Network] = ()) -> Target | FieldProblem:
    """The target of an https URL; of an http one only where the operator has allowed networks."""
    if len(text) > WEBHOOK_URL_CHARS:
        return _problem("too_long", f"It has more than {WEBHOOK_URL_CHARS} characters.")
    if not text.isprintable() or " " in text:  # urlsplit would leave some of these out
        return _problem("invalid_url", "It holds a space or a character that cannot be seen.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return _problem("invalid_url", "This is no address of the form https://example.com/path.")
    if port == 0 or not parts.hostname or not _is_plain(parts):
        return _problem("invalid_url", "This is no address of the form https://example.com/path.")
    if parts.scheme != "https" and not (parts.scheme == "http" and allowed):
        return _problem("not_https", _NOT_HTTPS)
    if parts.username is not None or parts.password is not None:
        return _problem("has_password", "It must hold no user name: the signature says that it is us.")
    host = _host(parts.hostname, allowed)
    if isinstance(host, FieldProblem):
        return host
    tls = parts.scheme == "https"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return Target(tls, host, port or (443 if tls else 80), path or "/")


def _is_plain(parts: SplitResult) -> bool:
    """Whether path and query may stand in a request line; everything else has to be percent-encoded (RFC 3986 2)."""
    path = parts.path + parts.query
    return path.isascii() and not parts.fragment


def _host(name: str, allowed: Sequence[Network]) -> str | FieldProblem:
    try:
        address = ip_address(name)
    except ValueError:
        return _name(name)
    if isinstance(address, IPv6Address) and address.scope_id:
        return _problem("invalid_url", "An address with a zone means something only on this machine.")
    if not Reach(allowed).may_connect(str(address)):
        return _problem("not_public", "This address is not on the public internet.")
    return str(address)


def _name(name: str) -> str | FieldProblem:
    label = to_a_label(name.removesuffix("."))
    # What ends in a number is an IPv4 address to some programs (inet_aton), whatever we take it for.
    last = label.rpartition(".")[2] if label else ""
    if label is None or not last or last.isdigit() or last.startswith("0x"):
        return _problem("invalid_url", "Its host is no domain name.")
    return label


def _problem(code: str, detail: str) -> FieldProblem:
    return FieldProblem(POINTER, code, detail)
