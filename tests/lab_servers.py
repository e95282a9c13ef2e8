"""Receivers and name servers that misbehave on command, on loopback and ephemeral ports."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLOSE = object()  # end the connection in order
RESET = object()  # end it with a TCP reset
SILENCE = object()  # never answer this, but read on
STALL = object()  # read nothing more, leave the connection open

Act = bytes | object
Reaction = Act | list[Act] | Callable[[int], Any]
"""A reply, CLOSE, RESET, SILENCE or STALL, several in turn, or a function from the how-manieth time (from 0) to one of those."""

DEFAULTS: dict[str, Reaction] = {
    "BANNER": b"220 sink.test ESMTP\r\n",
    "EHLO": b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    "HELO": b"250 sink.test\r\n",
    "STARTTLS": b"220 go ahead\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "MAIL": b"250 2.1.0 sender ok\r\n",
    "RCPT": b"250 2.1.5 recipient ok\r\n",
    "DATA": b"354 go on\r\n",
    "DOT": b"250 2.0.0 queued as ABC\r\n",
    "RSET": b"250 2.0.0 reset\r\n",
    "QUIT": [b"221 2.0.0 bye\r\n", CLOSE],
}


@dataclass(slots=True)
class Received:
    """One mail as a receiver saw it; `data` as on the wire without the final dot, still dot-stuffed."""

    mail_from: str
    recipients: list[str]
    data: bytes
    encrypted: bool


@dataclass(slots=True)
class Sink:
    """A receiver driven by `reactions` by verb (those of DEFAULTS, and BANNER, DOT), which a test may change at any time."""

    reactions: dict[str, Reaction]
    context: ssl.SSLContext | None = None
    port: int = 0
    mails: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    flights: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def reaction(self, verb: str) -> list[Act]:
        """What to do this time."""
        number = self.counts.get(verb, 0)
        self.counts[verb] = number + 1
        reaction = self.reactions.get(verb, DEFAULTS.get(verb, b"500 5.5.1 what\r\n"))
        if callable(reaction):
            reaction = reaction(number)
        return list(reaction) if isinstance(reaction, list) else [reaction]


class _GoneError(Exception):
    pass


class _Visit:
    """One connection to a sink."""

    def __init__(self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sink, self.reader, self.writer = sink, reader, writer
        self.encrypted = False
        self.mail_from, self.recipients = "", [""]

    async def run(self) -> None:
        await self.act("BANNER")
        while line := await self.reader.readline():
            command = line.decode("utf-8", "replace").strip()
            self.sink.commands.append(command)
            verb = command[:4].upper() if not command.upper().startswith("STARTTLS") else "STARTTLS"
            if verb == "MAIL":
                self.mail_from, self.recipients = command, []
            elif verb == "RCPT":
                self.recipients.append(command)
            await self.act(verb)

    async def act(self, verb: str) -> None:
        steps = self.sink.reaction(verb)
        for step in steps:
            if step is CLOSE:
                raise _GoneError
            if step is RESET:
                self.writer.transport.abort()
                raise _GoneError
            if step is STALL:
                self.writer.transport.pause_reading()
                await asyncio.Event().wait()
            if isinstance(step, bytes):
                self.writer.write(step)
                await self.writer.drain()
                if verb == "STARTTLS" and step.startswith(b"220"):
                    await self.encrypt()
                if verb == "DATA" and step.startswith(b"354") and STALL not in steps:
                    await self.content()

    async def encrypt(self) -> None:
        assert self.sink.context is not None
        await self.writer.start_tls(self.sink.context)
        self.encrypted = True

    async def content(self) -> None:
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line.endswith(b"\n"):
                raise _GoneError
            lines.append(line)
        self.sink.mails.append(Received(self.mail_from, self.recipients, b"".join(lines), self.encrypted))
        await self.act("DOT")


class _Counting(asyncio.StreamReader):
    """Remembers in which pieces the bytes came."""

    flights: list[bytes]

    def feed_data(self, data: bytes) -> None:
        self.flights.append(bytes(data))
        super().feed_data(data)


@asynccontextmanager
async def sink(
    reactions: Mapping[str, Reaction] | None = None, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Sink]:
    """A receiver for the time of the block."""
    state = Sink(dict(reactions or {}), context)
    tasks: set[asyncio.Task[Any]] = set()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        state.connections += 1
        state.open += 1
        state.writers.add(writer)
        try:
            await _Visit(state, reader, writer).run()
        except (_GoneError, OSError, ssl.SSLError, ValueError, asyncio.CancelledError):
            pass
        finally:
            state.open -= 1
            state.writers.discard(writer)
            writer.transport.close()
            tasks.discard(task)

    def protocol() -> asyncio.StreamReaderProtocol:
        reader = _Counting(limit=2**27)
        reader.flights = state.flights
        return asyncio.StreamReaderProtocol(reader, visit)

    server = await asyncio.get_running_loop().create_server(protocol, host, 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for writer in list(state.writers):
            writer.transport.abort()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks), timeout=2)
        await asyncio.sleep(0)


async def until(check: Callable[[], Any]) -> None:
    """Return when `check` is true; fail after thirty seconds."""
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110 - what is waited for happens in sockets and tasks that know no event of ours
            await asyncio.sleep(0.001)


def self_signed(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server context with a fresh certificate nobody vouches for, and that certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink.test")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.DNSName(name) for name in names or ("sink.test", "localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([*alternatives, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "sink.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path


Zone = dict[tuple[str, str], Any]
"""(name with final dot, type) to record texts, or to a dns.rcode, or to a function from query to response (None: silence)."""


@dataclass(slots=True)
class NameServer:
    """A recursive resolver's face with a made-up zone. NODATA for other types of a known name, NXDOMAIN for other names.

    With `secure` it says of every answer that DNSSEC vouches for it, but for questions about the names in `insecure`.
    """

    zone: Zone
    port: int = 0
    queries: list[tuple[str, str]] = field(default_factory=list)
    tcp_queries: int = 0
    truncate: bool = False
    ttl: int = 300
    secure: bool = False
    insecure: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, rdtype = question.name.to_text().lower(), question.rdtype.name
        self.queries.append((name, rdtype))
        self.tcp_queries += tcp
        response = dns.message.make_response(query, recursion_available=True)
        if self.secure and name not in self.insecure:
            response.flags |= dns.flags.AD
        if self.truncate and not tcp:
            response.flags |= dns.flags.TC
            return response.to_wire()
        found = self.zone.get((name, rdtype), self.zone.get((name, "CNAME")))
        if callable(found):
            made = found(query)
            return made.to_wire() if made is not None else None
        if isinstance(found, dns.rcode.Rcode):
            response.set_rcode(found)
        elif found is not None:
            self._fill(response, name, rdtype)
        else:
            response.set_rcode(
                dns.rcode.NOERROR if any(known == name for known, _ in self.zone) else dns.rcode.NXDOMAIN
            )
            response.authority.append(dns.rrset.from_text("test.", self.ttl, "IN", "SOA", "ns. admin. 1 2 3 4 600"))
        return response.to_wire(max_size=65535)

    def _fill(self, response: dns.message.Message, name: str, rdtype: str) -> None:
        """Records, following aliases as resolvers do."""
        seen = set()
        while (name, rdtype) not in self.zone and (name, "CNAME") in self.zone and name not in seen:
            seen.add(name)
            target = self.zone[name, "CNAME"][0]
            response.answer.append(dns.rrset.from_text(name, self.ttl, "IN", "CNAME", target))
            name = target
        if (name, rdtype) in self.zone:
            response.answer.append(dns.rrset.from_text(name, self.ttl, "IN", rdtype, *self.zone[name, rdtype]))


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self.server.answer(data, tcp=False)
        if answer is not None:
            self.transport.sendto(answer, addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def name_server(zone: Zone) -> AsyncIterator[NameServer]:
    """A name server on UDP and TCP for the time of the block."""
    state = NameServer(zone)

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        answer = state.answer(wire, tcp=True)
        if answer is not None:
            writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Udp(state), local_addr=("127.0.0.1", state.port)
    )
    try:
        yield state
    finally:
        transport.close()
        server.close()
        await asyncio.sleep(0)
