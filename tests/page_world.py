"""A workspace as it looks after two busy weeks, and the web role serving it: for the tests of the pages and for the screenshots.

Every message goes in by the real door on a clock that is moved through the past; outcomes are then written as delivery writes
them. Nothing is dialled. The same seed makes the same messages.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

import structlog

from posthouse.accounts import changes, credentials, domains, users, workspaces
from posthouse.accounts.changes import Change
from posthouse.accounts.directory import Directory
from posthouse.accounts.dns_records import Need, outcome
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.record_lint import Fault, Remark
from posthouse.accounts.terms import CredentialKind, Terms
from posthouse.accounts.users import Member
from posthouse.accounts.workspaces import Preferences
from posthouse.intake import operate
from posthouse.intake.accept import Door
from posthouse.intake.operate import Stop
from posthouse.intake.request import Context, parse_message
from posthouse.ledger import attempts, events
from posthouse.ledger.attempts import Attempt
from posthouse.ledger.events import Event
from posthouse.model.mail import Accepted, AcceptedRecipient, Submission, Submitter
from posthouse.model.outcome import Outcome, Stage
from posthouse.model.words import EventKind, Role, Scope, Source, State
from posthouse.outbox.operator import HOLD, Selection
from posthouse.outbox.suspensions import Suspension
from posthouse.runtime import network, postgres, vault
from posthouse.runtime.clock import SystemClock
from posthouse.runtime.ids import Ids
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.postgres import Pool, transaction
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Server as ServerSettings
from posthouse.runtime.settings import Settings
from posthouse.web import host
from posthouse.web.app import build

T = TypeVar("T")
EMAIL = "ann@acme.example"
PASSWORD = "four calm horses resting"
READER = "ravi@acme.example"

_PEOPLE = (
    "anna.berg",
    "jonas",
    "mette.s",
    "li.wei",
    "o.martin",
    "sofia",
    "tariq",
    "emil.holm",
    "nora",
    "g.rossi",
    "h.tanaka",
)
_DESTINATIONS = ("gmail.com",) * 9 + ("outlook.com",) * 5 + ("yahoo.com",) * 3 + (
    "icloud.com", "icloud.com", "webspeed.dk", "kommune.example", "uni-koeln.example", "bager.example", "gmx.de")  # fmt: skip
_KINDS = (
    ("receipt", "Your receipt for order {n}", "acme.example", 4),
    ("password", "Reset your password", "acme.example", 9),
    ("shipping", "Order {n} is on its way", "acme.example", 4),
    ("reminder", "Your appointment on Monday at 10:30", "acme.example", 6),
    ("receipt", "Kvittering for ordre {n} – tak for handlen", "acme.example", 4),
    ("invoice", "Invoice {n} from Acme", "acme.example", 5),
    ("news", "What is new in November", "news.acme.example", 2),
)
_HTML = """<html><body style="margin:0;background:#f3f4f8;font-family:Helvetica,Arial,sans-serif">
<table width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:32px 16px">
<table width="520" cellpadding="0" cellspacing="0" style="background:#fff;border-radius:8px;max-width:520px"><tr><td style="padding:32px">
<p style="margin:0 0 20px;font-size:18px;font-weight:bold;color:#24315e">Acme</p>
<h1 style="font-size:22px;margin:0 0 12px;color:#1b1f2a">{subject}</h1>
<p style="font-size:15px;line-height:1.6;color:#444b5a">Hello {name}, thank you. Here is what we have noted, for your files.</p>
<table width="100%" style="font-size:14px;color:#333;border-top:1px solid #e4e6ee;border-bottom:1px solid #e4e6ee;margin:20px 0">
<tr><td style="padding:10px 0">Trail shoes, size 42</td><td align="right">899.00</td></tr>
<tr><td style="padding:10px 0">Wool socks, three pairs</td><td align="right">179.00</td></tr>
<tr><td style="padding:10px 0"><b>Total</b></td><td align="right"><b>1,078.00</b></td></tr></table>
<p><a href="https://acme.example/orders/{n}" style="background:#3550c8;color:#fff;padding:12px 20px;border-radius:6px;text-decoration:none;font-size:15px">See your order</a></p>
<img src="https://images.acme.example/footer-{n}.png" width="1" height="1" alt="">
</td></tr></table></td></tr></table><script>document.title = "scripted"</script></body></html>"""


class DatabaseServer(Protocol):
    """tests.conftest.TestServer: hands out fresh databases."""

    async def clone(self) -> str: ...
    def app_dsn(self, name: str) -> str: ...
    def owner_dsn(self, name: str) -> str: ...


class MovedClock:
    """A clock that is put where the seeding needs it."""

    def __init__(self, start: datetime) -> None:
        self.at = start

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


@dataclass(frozen=True, slots=True)
class World:
    """What the seeding made: the workspace and some messages by what became of them."""

    workspace_id: UUID
    examples: dict[str, UUID]
    unverified_domain: UUID


@contextlib.asynccontextmanager
async def serving(process: Process) -> AsyncIterator[str]:
    """The web role on a port of its own; gives its address."""
    listener = network.bind("127.0.0.1", 0, "web.port")
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    process = replace(process, role="web", stopping=asyncio.Event())
    async with host.opened(process) as rooms:
        served = asyncio.create_task(host.serve(process, build(rooms), listener))
        try:
            yield address
        finally:
            process.stopping.set()
            await served


async def seed(process: Process, owner: Pool, count: int = 2_200) -> World:
    """Fills an empty database. `owner` may write what only delivery may, and at times that have passed."""
    now = process.clock.now()
    clock = MovedClock(now - timedelta(days=15))
    past = replace(process, clock=clock, ids=Ids(clock))
    await owner.execute("SELECT add_partitions($1, $2)", now - timedelta(days=40), now)
    workspace_id, key, unverified = await _accounts(past)
    world = World(workspace_id, {}, unverified)
    async with Directory.open(past) as directory:
        submitter = await directory.by_api_key(key, "127.0.0.1")
        assert submitter is not None
        door = Door.open(past, directory)
        await _messages(past, clock, door, submitter, owner, world, count, now)
        await door.close()
    await operate.apply(process, workspace_id, HOLD, Selection(domain="kommune.example"), f"user:{EMAIL}")
    stop = Stop(domain="webspeed.dk", until=now + timedelta(hours=20), reason="Their servers move tonight")
    assert isinstance(await operate.suspend(process, workspace_id, stop, f"user:{EMAIL}"), Suspension)
    await owner.execute("ANALYZE")
    return world


async def _accounts(process: Process) -> tuple[UUID, str, UUID]:
    workspace_id = process.ids.new()
    async with changes.making(process, workspace_id, "posthouse", operator=True) as change:
        workspace = await workspaces.create(change, "Acme")
        await workspaces.update(change, replace(Preferences.of(workspace), support_contact="it@acme.example"))
        for email, name, role in ((EMAIL, "Ann Berg", Role.ADMIN), (READER, "Ravi Patel", Role.READER)):
            member = await users.create(change, email, name, role)
            assert isinstance(member, Member)
            assert await users.set_password(change, member.user.user_id, PASSWORD) == ()
    async with changes.making(process, workspace_id, f"user:{EMAIL}") as change:
        for name in ("acme.example", "news.acme.example"):
            await _domain(process, change, name, wrong=0)
        unverified = await _domain(process, change, "shop.acme.example", wrong=2)
        key = await credentials.create(change, CredentialKind.API_KEY, Terms("Web shop", frozenset(Scope)))
        assert isinstance(key, credentials.Issued)
        terms = Terms("Accounting", frozenset({Scope.SEND}), ("acme.example",), ("192.0.2.0/24",))
        await credentials.create(change, CredentialKind.SMTP, terms)
    return workspace_id, key.secret, unverified.domain_id


async def _domain(process: Process, change: Change, name: str, wrong: int) -> SendingDomain:
    domain = await domains.add(change, name)
    assert isinstance(domain, SendingDomain), domain
    checks = []
    for number, record in enumerate(domains.records(process, domain)):
        passed = number >= wrong and record.need is not Need.OPTIONAL
        different = 0 < number < wrong
        found = (record.value,) if passed else ("v=DKIM1; k=rsa; p=MIIBIjANold",) if different else ()
        remark = None if passed else Remark(Fault.DIFFERENT if different else Fault.MISSING)
        checks.append(outcome(record, found, remark))
    return await domains.settle(change, domain, tuple(checks))


async def _messages(
    process: Process,
    clock: MovedClock,
    door: Door,
    submitter: Submitter,
    owner: Pool,
    world: World,
    count: int,
    now: datetime,
) -> None:
    dice = random.Random(11)
    fates = []
    times = sorted(_moment(dice, now) for _ in range(count))
    number = 0
    while number < count:
        # What is older than a day may share a moment: nobody looks at its seconds, and one commit takes many.
        size = 25 if times[number] < now - timedelta(days=1) else 1
        clock.at = times[min(number + size, count) - 1]
        batch = [_submission(process, submitter, dice, each) for each in range(number, min(number + size, count))]
        receipts = await door.accept(submitter, batch)
        assert isinstance(receipts, list)
        start = clock.at
        for receipt in receipts:
            assert isinstance(receipt, Accepted), receipt
            clock.at = start
            fates.append(_fate(process, dice, receipt, now, world))
        number += size
    await _write(owner, world.workspace_id, fates)


def _moment(dice: random.Random, now: datetime) -> datetime:
    """Working hours are busier, and the queue's recent past is well filled."""
    if dice.random() < 0.06:
        return now - timedelta(minutes=dice.uniform(0.3, 50))
    day = now - timedelta(days=dice.choice((*range(14), 1, 2, 3)))
    moment = day.replace(hour=int(dice.triangular(0, 23, 12)), minute=dice.randrange(60), second=dice.randrange(60))
    return moment if moment < now - timedelta(minutes=1) else moment - timedelta(days=1)


def _submission(process: Process, submitter: Submitter, dice: random.Random, number: int) -> Submission:
    tag, pattern, domain, priority = dice.choice(_KINDS)
    name = dice.choice(_PEOPLE)
    subject = pattern.format(n=10_400 + number)
    to = [f"{name}@{dice.choice(_DESTINATIONS)}"]
    if dice.random() < 0.05:
        to += [f"{dice.choice(_PEOPLE)}{each}@{dice.choice(_DESTINATIONS)}" for each in range(dice.randrange(1, 4))]
    message: dict[str, Any] = {
        "from": f"Acme <hello@{domain}>",
        "to": to,
        "subject": subject,
        "text": f"Hello {name},\n\nthank you for your order.\n\nAcme\n",
        "html": _HTML.format(subject=subject, name=name.split(".")[0].capitalize(), n=10_400 + number),
        "tags": [tag],
        "metadata": {"order": str(10_400 + number), "shop": "dk"},
        "priority": priority,
        "class": "transactional",
    }
    context = Context(submitter, process.clock.now(), process.ids.new, Source.API if number % 5 else Source.SMTP)
    submission = parse_message(message, context)
    assert isinstance(submission, Submission), submission
    return submission


@dataclass(slots=True)
class Fate:
    """What became of one message: rows to be written."""

    updates: list[tuple[Any, ...]]
    events: list[Event]
    attempts: list[Attempt]


def _fate(process: Process, dice: random.Random, accepted: Accepted, now: datetime, world: World) -> Fate:
    fate = Fate([], [], [])
    for recipient in accepted.recipients:
        if recipient.state is State.SUPPRESSED:
            continue
        _live(process, dice, accepted, recipient, now, fate, world)
    return fate


def _live(
    process: Process,
    dice: random.Random,
    accepted: Accepted,
    recipient: AcceptedRecipient,
    now: datetime,
    fate: Fate,
    world: World,
) -> None:
    start = process.clock.now()
    age = now - start
    domain = recipient.address.rpartition("@")[2]
    slow = domain in ("yahoo.com", "kommune.example") and age < timedelta(hours=7)
    luck = dice.random()
    at = start + timedelta(seconds=dice.uniform(0.4, 3))
    tries = 0
    if (slow and luck < 0.85) or (luck < 0.07 and age > timedelta(hours=3)):
        for _ in range(dice.randrange(1, 4)):
            tries += 1
            _attempt(
                process, accepted, recipient, tries, at, Outcome.TRANSIENT, 451, "4.7.1", "Please try again later", fate
            )
            at += timedelta(minutes=dice.uniform(1, 12))
            if at > now:
                break
    if slow and luck < 0.85:
        waiting = now + timedelta(minutes=dice.uniform(1, 25))
        reason = f"{domain} answered 451 4.7.1 Please try again later."
        fate.updates.append(
            (recipient.recipient_id, State.WAITING, waiting, tries, None, reason, 451, "4.7.1", f"mx1.{domain}")
        )
        if domain == "yahoo.com" and len(accepted.recipients) == 1:
            world.examples["waiting"] = accepted.message_id
        return
    tries += 1
    if luck > 0.975:
        text = "The email account that you tried to reach does not exist"
        _attempt(process, accepted, recipient, tries, at, Outcome.PERMANENT, 550, "5.1.1", text, fate)
        reason = f"mx1.{domain} refused it: 550 5.1.1 {text}."
        fate.updates.append(
            (recipient.recipient_id, State.BOUNCED, start, tries, at, reason, 550, "5.1.1", f"mx1.{domain}")
        )
        world.examples["bounced"] = accepted.message_id
        return
    _attempt(
        process,
        accepted,
        recipient,
        tries,
        at,
        Outcome.DELIVERED,
        250,
        "2.0.0",
        f"OK {dice.randrange(10**9)} gsmtp",
        fate,
    )
    fate.updates.append((recipient.recipient_id, State.DELIVERED, start, tries, at, "", 250, "2.0.0", f"mx1.{domain}"))
    world.examples["delivered" if tries == 1 else "delivered_late"] = accepted.message_id
    if len(accepted.recipients) > 2:
        world.examples["several"] = accepted.message_id


_KINDS_OF = {
    Outcome.DELIVERED: EventKind.DELIVERED,
    Outcome.TRANSIENT: EventKind.DEFERRED,
    Outcome.PERMANENT: EventKind.BOUNCED,
}


def _attempt(
    process: Process, accepted: Accepted, recipient: AcceptedRecipient, number: int, at: datetime,
    outcome: Outcome, code: int, enhanced: str, text: str, fate: Fate,
) -> None:  # fmt: skip
    clock = process.clock
    assert isinstance(clock, MovedClock)
    clock.at = at
    domain = recipient.address.rpartition("@")[2]
    transcript = _TRANSCRIPT.format(host=f"mx1.{domain}", to=recipient.address, reply=f"{code} {enhanced} {text}")
    fate.attempts.append(
        Attempt(
            workspace_id=UUID(int=0), attempt_id=process.ids.new(), recipient_id=recipient.recipient_id,
            message_id=accepted.message_id, number=number, worker_id=process.worker_id, started_at=at - timedelta(milliseconds=412),
            ended_at=at, outcome=outcome, stage=Stage.DOT if code < 500 else Stage.RCPT, code=code, enhanced=enhanced, text=text,
            remote=f"mx1.{domain} [192.0.2.25]", tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
            signature=b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=ph1-rsa; bh=...; b=...\r\n", transcript=transcript,
        )
    )  # fmt: skip
    data: dict[str, object] = {"attempt": number, "reason": f"{code} {enhanced} {text}", "remote": f"mx1.{domain}"}
    fate.events.append(
        Event(UUID(int=0), process.ids.new(), at, accepted.message_id, recipient.recipient_id, _KINDS_OF[outcome], data)
    )


_TRANSCRIPT = """* connected to {host} [192.0.2.25]:25
< 220 {host} ESMTP ready
> EHLO mail.acme.example
< 250-{host} at your service
< 250-SIZE 157286400
< 250-8BITMIME
< 250-STARTTLS
< 250-PIPELINING
< 250 ENHANCEDSTATUSCODES
> STARTTLS
< 220 2.0.0 Ready to start TLS
* encrypted with TLSv1.3 TLS_AES_256_GCM_SHA384, certificate not verified (opportunistic)
> EHLO mail.acme.example
< 250-{host} at your service
< 250 PIPELINING
> MAIL FROM:<b1.aeb7qk2h6m.cq3vx@bounces.acme.example> SIZE=4211
> RCPT TO:<{to}>
> DATA
< 250 2.1.0 OK
< 250 2.1.5 OK
< 354 Go ahead
> (4,211 octets)
< {reply}"""


async def _write(owner: Pool, workspace_id: UUID, fates: Sequence[Fate]) -> None:
    async with transaction(owner) as connection:
        await connection.executemany(
            "UPDATE outbox SET state = $3, not_before = $4, attempts = $5, settled_at = $6, reason = $7, code = $8,"
            " enhanced = $9, remote = $10 WHERE workspace_id = $1 AND recipient_id = $2",
            [(workspace_id, *update) for fate in fates for update in fate.updates],
        )
        await events.append(connection, [replace(e, workspace_id=workspace_id) for fate in fates for e in fate.events])
        await attempts.append(
            connection, [replace(a, workspace_id=workspace_id) for fate in fates for a in fate.attempts]
        )


@dataclass(frozen=True, slots=True)
class Site:
    """The served world as a browser finds it."""

    address: str
    world: World
    process: Process
    loop: asyncio.AbstractEventLoop

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something on the loop the site lives on."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=30)


class SiteThread:
    """Seeds a database and serves it on an event loop of its own, so that a browser can be driven without one."""

    def __init__(self, server: DatabaseServer, folder: Path, count: int = 2_200) -> None:
        self._server = server
        self._folder = folder
        self._count = count
        self._ready: Future[Site] = Future()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="pages")

    def __enter__(self) -> Site:
        self._thread.start()
        return self._ready.result(timeout=100)

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the site is told
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        name = await self._server.clone()
        dsn, owner_dsn = self._server.app_dsn(name), self._server.owner_dsn(name)
        pool = await postgres.open_pool(dsn, size=5, name="pages")
        owner = await postgres.open_pool(owner_dsn, size=2, name="pages owner")
        process = self._process(pool, dsn)
        try:
            world = await seed(process, owner, self._count)
            async with serving(process) as address:
                self._ready.set_result(Site(address, world, process, self._loop))
                await self._ended.wait()
        finally:
            for each in (pool, owner):
                each.terminate()
            await asyncio.sleep(0)  # the transports close in the next turn of the loop

    def _process(self, pool: Pool, dsn: str) -> Process:
        vault.ensure_kek(self._folder / "kek")
        settings = Settings(server=ServerSettings(hostname="mail.acme.example", data_dir=self._folder))
        clock = SystemClock()
        ids = Ids(clock)
        return Process(
            role="web", index=1, worker_id=ids.new(), settings=settings, clock=clock, ids=ids, pool=pool, dsn=dsn,
            log=structlog.get_logger(), metrics=Metrics("web"), vault=vault.open_vault(settings),
        )  # fmt: skip
