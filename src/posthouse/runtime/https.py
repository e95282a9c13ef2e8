"""HTTPS to strangers: one GET, for files whose names somebody else has chosen.

Names are resolved here and only addresses on the public internet are connected to, so that nobody's DNS makes us fetch what only we
can reach. No redirect is followed, the certificate has to be valid for the name, and size and time are bounded. Nothing here raises
for what a server does.
"""

import asyncio
import ssl
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import httptools

from posthouse.model.limits import HTTPS_ADDRESSES
from posthouse.runtime.dns import Resolver
from posthouse.runtime.reach import ANYWHERE, PUBLIC

_READ_OCTETS: Final = 16_384


class Trouble(StrEnum):
    """Why there is no answer."""

    NAME = "name"  # the name has no address, or none that may be connected to
    CERTIFICATE = "certificate"
    CONNECTION = "connection"
    TIME = "time"
    SIZE = "size"
    ANSWER = "answer"  # it is not HTTP


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer with any status. `media_type` is in lower case and without parameters."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class NotFetched:
    """No answer; `detail` is for people."""

    trouble: Trouble
    detail: str


class HttpsClient:
    """`ca_file` takes the place of the system's authorities, `allow_private` lets names lead to loopback and private addresses."""

    def __init__(
        self, resolver: Resolver, *, port: int = 443, ca_file: str | None = None, allow_private: bool = False
    ) -> None:
        self._resolver = resolver
        self._port = port
        self._ca_file = ca_file
        self._reach = ANYWHERE if allow_private else PUBLIC

    async def get(self, host: str, path: str, *, limit_s: float, octets: int) -> Fetched | NotFetched:
        """The file at `path` of `host` (an A-label), within so many seconds and octets."""
        try:
            async with asyncio.timeout(limit_s):
                return await self._get(host, path, octets)
        except TimeoutError:
            return NotFetched(Trouble.TIME, f"{host} did not answer within {limit_s:.0f} s")

    async def _get(self, host: str, path: str, octets: int) -> Fetched | NotFetched:
        answer = await self._resolver.addresses(host)
        addresses = [each for each in answer.records if self._reach.may_connect(each)]
        if not addresses:
            reason = "only addresses that are not public" if answer.records else answer.detail or answer.status
            return NotFetched(Trouble.NAME, f"{host}: {reason}")
        failure = NotFetched(Trouble.CONNECTION, f"{host}: no address was tried")
        for address in addresses[:HTTPS_ADDRESSES]:
            try:
                return await self._ask(address, host, path, octets)
            except ssl.SSLCertVerificationError as error:
                failure = NotFetched(Trouble.CERTIFICATE, f"{host}: {error.verify_message}")
            except (OSError, ValueError) as error:
                failure = NotFetched(Trouble.CONNECTION, f"{host} [{address}]: {str(error) or type(error).__name__}")
        return failure

    async def _ask(self, address: str, host: str, path: str, octets: int) -> Fetched | NotFetched:
        reader, writer = await asyncio.open_connection(address, self._port, ssl=self._context, server_hostname=host)
        try:
            named = host if self._port == 443 else f"{host}:{self._port}"
            lines = (f"GET {path} HTTP/1.1", f"Host: {named}", "User-Agent: posthouse", "Connection: close", "", "")
            writer.write("\r\n".join(lines).encode("ascii"))
            return await _Answer(octets).read(reader, host)
        finally:
            writer.transport.abort()

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._ca_file)


class _Answer:
    """One response on its way in, as the parser tells it."""

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self._media_type = ""
        self._body = bytearray()
        self._is_measured = False  # its length is said, so that a connection cut off is no end
        self._complete = False
        self._parser = httptools.HttpResponseParser(self)

    async def read(self, reader: asyncio.StreamReader, host: str) -> Fetched | NotFetched:
        """Until it is complete; headers count towards the octets too, so that they have an end."""
        taken = 0
        try:
            while not self._complete and taken <= 2 * self._octets and len(self._body) <= self._octets:
                data = await reader.read(_READ_OCTETS)
                taken += len(data)
                if not data:
                    break
                self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            return NotFetched(Trouble.ANSWER, f"{host} does not speak HTTP: {error}")
        if len(self._body) > self._octets or taken > 2 * self._octets:
            return NotFetched(Trouble.SIZE, f"{host} answers with more than {self._octets:,} octets")
        if not self._complete and (self._is_measured or not self._body):
            return NotFetched(Trouble.ANSWER, f"{host} hung up amid its answer")
        return Fetched(self._parser.get_status_code(), self._media_type, bytes(self._body))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Few of them matter."""
        name = name.lower()
        self._is_measured |= name in {b"content-length", b"transfer-encoding"}
        if name == b"content-type":
            self._media_type = value.decode("latin-1").partition(";")[0].strip().lower()

    def on_body(self, data: bytes) -> None:
        """A piece of it."""
        self._body += data

    def on_message_complete(self) -> None:
        """The length was said, and has come."""
        self._complete = True
