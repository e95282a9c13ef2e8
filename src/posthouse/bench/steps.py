"""Where the CPU of one mail goes: each step that needs no network and no database, alone, in this process.

The best of many short slices counts: whatever else the machine does can only make a slice longer.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from posthouse.bench import mails
from posthouse.bench.figures import Figure, Finding
from posthouse.bench.stand import Order
from posthouse.delivery import settle
from posthouse.delivery.retry import RetrySchedule
from posthouse.delivery.settle import Tried
from posthouse.delivery.together import Together
from posthouse.delivery.transcript import as_text
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.model.words import MailClass
from posthouse.outbox import bodies
from posthouse.outbox.claims import Claimed, Message
from posthouse.runtime import crypto_mb
from posthouse.runtime.crypto_mb import LANES
from posthouse.wire import dkim, dkim_keys, verp
from posthouse.wire.canonical import relaxed_body
from posthouse.wire.dkim import Draft
from posthouse.wire.dkim_keys import Algorithm, SigningKey
from posthouse.wire.smtp_client import ClientMachine, TlsPolicy

MICROSECONDS: Final = "µs CPU a mail"
_EIGHT: Final = "RSA alone, of eight at a time"
_DIGEST: Final = b"x" * 32
_SLICES: Final = 15
_SLICE_S: Final = 0.02
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_REPLIES: Final = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"


async def measure(order: Order) -> list[Finding]:
    """The steps benchmark."""
    began = time.monotonic()
    order.tell("each step of a mail that needs neither network nor database")
    figures = await asyncio.to_thread(_figures)
    how = f"one mail of {mails.MAIL_OCTETS:,} octets, each step alone in one process, the best of {_SLICES} slices"
    return [Finding("steps", how, figures, round(time.monotonic() - began, 2), 0.0)]


def _figures() -> tuple[Figure, ...]:
    content = mails.message(1, "user-1@fast.test", mails.text(mails.MAIL_OCTETS - 250))
    rsa = dkim_keys.generate(Algorithm.RSA, "bench.test", "rsa")
    ed25519 = dkim_keys.generate(Algorithm.ED25519, "bench.test", "ed")
    stored = bodies.pack(content, None)
    recipient_id, secret = uuid4(), b"s" * 32
    steps: dict[str, Callable[[], object]] = {
        "compress the body": lambda: bodies.pack(content, None),
        "decompress it": lambda: bodies.unpack(*stored, bytes),
        "RSA-2048 and Ed25519 signatures": lambda: dkim.sign(content, (rsa, ed25519), _NOW),
        "of these, RSA alone": _private(rsa),
        "of these, Ed25519 alone": _private(ed25519),
        **_together(rsa),
        "of these, the body's canonical form": lambda: relaxed_body(content),
        "signed return path": lambda: verp.encode(verp.Purpose.BOUNCE, 1, recipient_id, secret),
        "SMTP dialogue and transcript": _dialogue(content),
        "judge the reply": _judgement(recipient_id),
    }
    return tuple(
        Figure(name, round(_best_us(step) / (LANES if name == _EIGHT else 1), 1), MICROSECONDS, plotted=True)
        for name, step in steps.items()
    )


def _together(key: SigningKey) -> dict[str, Callable[[], object]]:
    """As it is when there is much to sign, where this processor can."""
    lanes = crypto_mb.lanes()
    drafts = [Draft(key, b"", _DIGEST)] * LANES
    return {} if lanes is None else {_EIGHT: lambda: Together(lanes).sign(drafts)}


def _best_us(step: Callable[[], object]) -> float:
    """CPU microseconds of one call."""
    step()
    best = float("inf")
    for _ in range(_SLICES):
        calls, began = 0, time.process_time()
        while (spent := time.process_time() - began) < _SLICE_S:
            step()
            calls += 1
        best = min(best, spent / calls)
    return best * 1e6


def _private(key: SigningKey) -> Callable[[], object]:
    return lambda: dkim.sign_digest(key, _DIGEST)


def _dialogue(content: bytes) -> Callable[[], object]:
    machine = ClientMachine(helo_name="bench.test", tls=TlsPolicy.OFF, credentials=None)
    machine.receive(b"220 mx\r\n")
    machine.receive(b"250-mx\r\n250-PIPELINING\r\n250-SIZE 0\r\n250 8BITMIME\r\n")
    machine.take_transcript()
    first = [b""]

    def carry() -> object:
        machine.begin_mail("b@bench.test", ("user-1@fast.test",), (content,), smtputf8=False)
        machine.bytes_to_send()
        machine.receive(first[0] + _REPLIES)
        first[0] = b"250 2.0.0 reset\r\n"  # the answer to the RSET before every mail but the first
        machine.content()
        machine.end_of_data()
        machine.receive(b"250 2.0.0 Ok: queued as 123456\r\n")
        return as_text(machine.take_transcript())

    return carry


def _judgement(recipient_id: UUID) -> Callable[[], object]:
    message = Message(uuid4(), "bench@bench.test", MailClass.TRANSACTIONAL, False, False, 0, b"")
    later = _NOW + timedelta(days=3)
    claimed = Claimed(uuid4(), recipient_id, "user-1@fast.test", "fast.test", 4, 1, later, "", message)
    tried = Tried(Outcome.DELIVERED, Reply(250, "2.0.0", "Ok"), Stage.DOT, _NOW, _NOW)
    schedule = RetrySchedule(120, 2, 14_400)
    return lambda: settle.judge(claimed, tried, schedule, 0.5)
