"""One mail address as a person or a program types it into a field: `a@b` or `Name <a@b>`.

The domain becomes a lower-case A-label because that is what DNS, SMTP and alignment compare; the local part is kept as given
because only its own host may interpret it (RFC 5321 2.4). Lists as found in message headers are read by `address_list`.
"""

import re
from functools import lru_cache
from typing import Final

import idna
from email_validator import EmailNotValidError, validate_email

from posthouse.model.errors import FieldProblem
from posthouse.model.limits import ADDRESS_OCTETS, LOCAL_PART_OCTETS
from posthouse.model.values import dataclass

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"(?![xX][nN]--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# Nearly every address: plain ASCII, a last label that starts with a letter. Anything else takes the slow road.
_PLAIN: Final = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)*(?=[A-Za-z]){_LABEL})")
_PLAIN_DOMAIN: Final = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_DOMAINS_REMEMBERED: Final = 4_096
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with the name shown beside it (RFC 5322 3.4)."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """The part after the last @."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class AddressProblem:
    """Why a text is no usable address; `at` turns it into the problem of a field."""

    code: str
    detail: str

    def at(self, pointer: str) -> FieldProblem:
        """The same problem with the place it was found at."""
        return FieldProblem(pointer, self.code, self.detail)


def parse_address(text: str) -> Mailbox | AddressProblem:
    """Read `a@b` or `Name <a@b>`."""
    if (plain := _PLAIN.fullmatch(text)) and _fits(plain[1], text):
        return Mailbox(f"{plain[1]}@{plain[2].lower()}")
    if _CONTROL.search(text):
        return _invalid("It contains a control character.")
    text = text.strip()
    if not text.endswith(">"):
        return _parse_bare(text)
    name, _, bare = text[:-1].rpartition("<")
    found = _parse_bare(bare.strip())
    return Mailbox(found.address, _unquoted(name.rstrip())) if isinstance(found, Mailbox) else found


def is_ascii(address: str) -> bool:
    """Whether the address can be sent without SMTPUTF8 (RFC 6531 3.2)."""
    return address.isascii()


def to_a_label(domain: str) -> str | None:
    """The domain as lower-case A-labels (RFC 5890), or None when it is no domain name."""
    return _a_label(domain) if len(domain) < ADDRESS_OCTETS else None


# Mail goes to few domains again and again; what is remembered is bounded in number and, by the caller, in length.
@lru_cache(_DOMAINS_REMEMBERED)
def _a_label(domain: str) -> str | None:
    # Underscores are no host name but do occur in names that are only looked up, so idna decides about all that is not plain.
    if _PLAIN_DOMAIN.fullmatch(domain):
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None


def _parse_bare(text: str) -> Mailbox | AddressProblem:
    local, at, domain = text.rpartition("@")
    if not at:
        return _invalid("It has no @.")
    a_label = to_a_label(domain)
    if a_label is None or a_label.endswith("."):  # RFC 5321 4.1.2: an address names the domain without the root
        return _invalid("The part after the @ is no domain name.")
    if a_label.rpartition(".")[2].isdigit():
        return _invalid("An IP address is no domain name.")
    if problem := _local_part_problem(local):
        return _invalid(problem)
    address = f"{local}@{a_label}"
    return Mailbox(address) if _fits(local, address) else _invalid("It is too long.")


def _local_part_problem(local: str) -> str:
    # The library is asked about the local part alone: it refuses names such as intranet.local, which a private network may well use.
    try:
        validate_email(
            f"{local}@example.com", check_deliverability=False, allow_smtputf8=True, allow_quoted_local=False
        )
    except EmailNotValidError as error:
        return str(error)
    return ""


def _fits(local: str, address: str) -> bool:
    if address.isascii():
        return len(local) <= LOCAL_PART_OCTETS and len(address) <= ADDRESS_OCTETS
    return len(local.encode()) <= LOCAL_PART_OCTETS and len(address.encode()) <= ADDRESS_OCTETS


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name


def _invalid(why: str) -> AddressProblem:
    return AddressProblem("invalid_address", f"This is not a usable mail address. {why}")
