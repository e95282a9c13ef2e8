"""What the DNS answered, told apart honestly: "there is none" and "could not find out" lead to opposite decisions."""

from enum import StrEnum
from typing import Generic, TypeVar

from posthouse.model.values import dataclass

Record = TypeVar("Record", covariant=True)


class DnsStatus(StrEnum):
    """How a lookup ended. NODATA: the name exists without records of this type (RFC 2308 2.2)."""

    NOERROR = "noerror"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Answer(Generic[Record]):
    """The answer to one question.

    `records` is empty unless the status is NOERROR. `ttl_s` is how long it may be believed, in seconds. `authenticated` is the
    AD bit (RFC 4035 3.2.3) of every message involved, worth something only on a path to the resolver that can be trusted.
    `detail` says in words what went wrong when the status cannot. `name` is where aliases led, "" when there were none.
    """

    status: DnsStatus
    records: tuple[Record, ...] = ()
    ttl_s: float = 0.0
    authenticated: bool = False
    detail: str = ""
    name: str = ""

    @property
    def is_final(self) -> bool:
        """The name servers have spoken; asking again now would not help."""
        return self.status in {DnsStatus.NOERROR, DnsStatus.NODATA, DnsStatus.NXDOMAIN}


@dataclass(frozen=True, slots=True)
class MxRecord:
    """One MX record (RFC 5321 5.1): lower preference is tried first; `exchange` in lower case without the final dot."""

    preference: int
    exchange: str


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """One TLSA record (RFC 6698 2.1): which certificate (`usage`), which part of it (`selector`) and how it is written (`matching`)."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        """As in a zone file."""
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"
