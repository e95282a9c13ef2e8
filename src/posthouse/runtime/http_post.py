"""HTTP to strangers: POST to an address that somebody else has chosen, over connections that are kept while they are in use.

As in `https`: names are resolved here, at each connect anew, only addresses that `Reach` allows are dialled and exactly those, no
redirect is followed, the certificate has to be valid for the name, and size and time are bounded. Without TLS only networks are
spoken to that the operator has allowed by name. Nothing here raises for what a server does.
"""

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import httptools

from posthouse.model.limits import HTTPS_ADDRESSES
from posthouse.runtime.dns import Resolver
from posthouse.runtime.https import NotFetched, Trouble
from posthouse.runtime.reach import Reach

_READ_OCTETS: Final = 16_384
_HEAD_OCTETS: Final = 65_536  # of an answer's header, and of what may follow the octets that are kept
_FIELD_OCTETS: Final = 100  # of a field that is read: a number or a date
_IDLE_S: Final = 20.0  # below what servers usually keep; the name is looked up again after it
_IDLE_EACH: Final = 20  # connections kept for one host


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post: `host` an A-label or an IP address, `path` with its query, both in ASCII."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As the field Host names it (RFC 9110 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Posted:
    """An answer with any status and the first octets of its body. `remote` is the address that gave it.

    `retry_after` is the field Retry-After as it came, "" without one.
    """

    status: int
    body: bytes
    remote: str
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of one exchange: seconds for a connection, seconds for all of it, octets of the answer's body that are kept."""

    connect_s: float
    total_s: float
    octets: int


class _NoWay(Exception):  # noqa: N818 - an outcome, told to the caller as a value
    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.failure = NotFetched(trouble, detail)


@dataclass(slots=True)
class _Line:
    """A connection. `fresh`: nothing was asked on it yet."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    remote: str
    fresh: bool = True
    idle_since: float = 0.0

    def is_usable(self, now: float) -> bool:
        """Whether nobody has hung up or said anything unasked."""
        closed = self.reader.at_eof() or self.writer.transport.is_closing()
        return not closed and now - self.idle_since < _IDLE_S

    def drop(self) -> None:
        """Ends it at once."""
        self.writer.transport.abort()


class HttpPoster:
    """One per process. `ca_file` takes the place of the system's authorities."""

    def __init__(self, resolver: Resolver, reach: Reach, *, ca_file: str | None = None) -> None:
        self._resolver = resolver
        self._reach = reach
        self._context = ssl.create_default_context(cafile=ca_file)
        self._idle: dict[tuple[bool, str, int], deque[_Line]] = {}
        self._swept = time.monotonic()

    async def post(
        self, target: Target, headers: Sequence[tuple[str, str]], body: bytes, patience: Patience
    ) -> Posted | NotFetched:
        """The answer to one request. It may have been acted upon even where none came."""
        request = _request(target, headers, body)
        try:
            async with asyncio.timeout(patience.total_s):
                return await self._exchange(target, request, patience)
        except _NoWay as no_way:
            return no_way.failure
        except TimeoutError:
            return NotFetched(Trouble.TIME, f"{target.host} did not answer within {patience.total_s:.0f} s")

    def close(self) -> None:
        """Ends every connection that is kept."""
        for kept in self._idle.values():
            for line in kept:
                line.drop()
        self._idle.clear()

    async def _exchange(self, target: Target, request: bytes, patience: Patience) -> Posted | NotFetched:
        while True:
            line = self._kept(target) or await self._connect(target, patience.connect_s)
            fresh, line.fresh = line.fresh, False
            answer = _Answer(patience.octets)
            try:
                line.writer.write(request)
                await answer.read(line.reader)
            except (OSError, httptools.HttpParserError, _HungUp) as error:
                line.drop()
                # A server may hang up on an idle connection at any time (RFC 9112 9.3.1): then a new one gets its chance.
                if not fresh and not answer.begun and not isinstance(error, httptools.HttpParserError):
                    continue
                return NotFetched(Trouble.ANSWER, f"{target.host}: {str(error) or type(error).__name__}")
            except BaseException:
                line.drop()
                raise
            self._keep(target, line, answer)
            return Posted(answer.status, answer.body, line.remote, answer.retry_after)

    def _kept(self, target: Target) -> _Line | None:
        lines, now = self._idle.get((target.tls, target.host, target.port)), time.monotonic()
        while lines:
            line = lines.pop()
            if line.is_usable(now):
                return line
            line.drop()
        return None

    def _keep(self, target: Target, line: _Line, answer: "_Answer") -> None:
        lines = self._idle.setdefault((target.tls, target.host, target.port), deque())
        if not answer.leaves_usable or len(lines) >= _IDLE_EACH:
            line.drop()
            return
        line.idle_since = time.monotonic()
        lines.append(line)
        self._forget_idle(line.idle_since)

    def _forget_idle(self, now: float) -> None:
        """Now and then, of every host, oldest first; one with none left is forgotten."""
        if now < self._swept + _IDLE_S:
            return
        self._swept = now
        for place, lines in list(self._idle.items()):
            while lines and not lines[0].is_usable(now):
                lines.popleft().drop()
            if not lines:
                del self._idle[place]

    async def _connect(self, target: Target, limit_s: float) -> _Line:
        failure = _NoWay(Trouble.CONNECTION, f"{target.host}: no address was tried")
        for address in (await self._addresses(target))[:HTTPS_ADDRESSES]:
            try:
                async with asyncio.timeout(limit_s):
                    return await self._dial(target, address)
            except TimeoutError:
                failure = _NoWay(Trouble.CONNECTION, f"{target.host} [{address}]: no connection within {limit_s:.0f} s")
            except ssl.SSLCertVerificationError as error:
                failure = _NoWay(Trouble.CERTIFICATE, f"{target.host}: {error.verify_message}")
            except (OSError, ValueError) as error:
                failure = _NoWay(Trouble.CONNECTION, f"{target.host} [{address}]: {str(error) or type(error).__name__}")
        raise failure

    async def _dial(self, target: Target, address: str) -> _Line:
        context = self._context if target.tls else None
        name = target.host if target.tls else None
        reader, writer = await asyncio.open_connection(address, target.port, ssl=context, server_hostname=name)
        return _Line(reader, writer, address)

    async def _addresses(self, target: Target) -> list[str]:
        """Those of the name that may be dialled. Raises _NoWay when none may."""
        found, why = await self._looked_up(target.host)
        may = self._reach.may_connect if target.tls else self._reach.is_allowed
        allowed = [address for address in found if may(address)]
        if not allowed and found:
            kind = "that are not public" if target.tls else "that may not be spoken to without TLS"
            raise _NoWay(Trouble.NAME, f"{target.host}: only addresses {kind}")
        if not allowed:
            raise _NoWay(Trouble.NAME, f"{target.host}: {why}")
        return allowed

    async def _looked_up(self, host: str) -> tuple[Sequence[str], str]:
        with contextlib.suppress(ValueError):
            return (str(ip_address(host)),), ""
        answer = await self._resolver.addresses(host)
        return answer.records, answer.detail or answer.status


def _request(target: Target, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        "User-Agent: posthouse",
        "Accept-Encoding: identity",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


class _HungUp(Exception):  # noqa: N818 - an outcome
    pass


class _Answer:
    """One response on its way in, as the parser tells it. What is beyond the octets wanted is not waited for."""

    def __init__(self, octets: int) -> None:
        self.begun = False
        self.status = 0
        self.retry_after = ""
        self._octets = octets
        self._kept = bytearray()
        self._is_measured = False  # its length is said, so that the connection outlives it
        self._complete = False
        self._surplus = False
        self._parser = httptools.HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        """The first octets of it."""
        return bytes(self._kept[: self._octets])

    @property
    def leaves_usable(self) -> bool:
        """Whether the next request may go over the same connection."""
        return self._complete and self._is_measured and not self._surplus and self._parser.should_keep_alive()

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Until it is complete, or more of it has come than anybody wants. Raises what is wrong with it."""
        taken = 0
        while not self._complete and taken <= _HEAD_OCTETS:
            data = await reader.read(_READ_OCTETS)
            if not data:
                break
            self.begun = True
            taken += len(data)
            self._parser.feed_data(data)
        if not self.status:
            raise _HungUp("hung up without an answer" if taken <= _HEAD_OCTETS else "answers with an endless header")
        if not self._complete and self._is_measured and taken <= _HEAD_OCTETS:
            raise _HungUp("hung up amid its answer")

    def on_message_begin(self) -> None:
        """A second one that nobody asked for makes the connection useless."""
        self._surplus = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Only whether the body has a length, and when to come back."""
        name = name.lower()
        self._is_measured |= name in {b"content-length", b"transfer-encoding"}
        if name == b"retry-after":
            self.retry_after = value[:_FIELD_OCTETS].decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        """The status is known; 1xx only announces another (RFC 9110 15.2)."""
        status = self._parser.get_status_code()
        if status >= 200 and not self.status:
            self.status = status
            self._is_measured |= status in {204, 304}

    def on_body(self, data: bytes) -> None:
        """A piece of it."""
        if len(self._kept) < self._octets:
            self._kept += data[: self._octets]

    def on_message_complete(self) -> None:
        """The length was said, and has come."""
        if self.status:
            self._complete = True
        else:
            self._is_measured = False
