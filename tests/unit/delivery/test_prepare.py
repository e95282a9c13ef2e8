"""A message is signed once for the recipients it is sent to at about the same time."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast
from uuid import UUID, uuid4

import pytest

from posthouse.accounts.directory import Directory
from posthouse.delivery import prepare as module
from posthouse.delivery.prepare import Preparer
from posthouse.delivery.signing import Signing
from posthouse.model.limits import HELD_BODY_OCTETS
from posthouse.model.words import MailClass
from posthouse.outbox import bodies
from posthouse.outbox.claims import Claimed, Message
from posthouse.runtime.process import Process
from posthouse.wire import dkim_keys, headers, verp
from posthouse.wire.dkim import Draft
from posthouse.wire.dkim_keys import Algorithm
from posthouse.wire.verp import Purpose, ReturnToken

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY = dkim_keys.generate(Algorithm.RSA, "example.test", "one")
WORKSPACE = uuid4()


class SlowSigning:
    """Signs when it is let; breaks when it is told to."""

    def __init__(self) -> None:
        self.asked: list[int] = []  # messages at a time
        self.at_once = 1
        self.drafts: Sequence[Draft] = ()
        self.may = asyncio.Event()
        self.breaks = False

    async def sign(self, messages: Sequence[Sequence[Draft]]) -> list[bytes]:
        self.asked.append(len(messages))
        self.drafts = messages[0]
        await self.may.wait()
        if self.breaks:
            raise ValueError("no key")
        return [b"DKIM-Signature: %d\r\n" % len(drafts) for drafts in messages]


class StubDirectory:
    own: str | None = None
    bounce_processing = True
    links: str | None = None

    async def workspace(self, workspace_id: UUID) -> SimpleNamespace:
        return SimpleNamespace(number=1, bounce_processing=self.bounce_processing)

    async def bounce_domain(self, *_: object) -> str | None:
        return self.own

    async def link_host(self, *_: object) -> str | None:
        return self.links

    async def signing_keys(self, *_: object) -> list[dkim_keys.SigningKey]:
        return [KEY]


@pytest.fixture
def preparer() -> tuple[Preparer, SlowSigning]:
    signing = SlowSigning()
    process = SimpleNamespace(
        vault=SimpleNamespace(derive=lambda _: b"s" * 32),
        clock=SimpleNamespace(now=lambda: NOW),
        settings=SimpleNamespace(bounce_domain="bounces.test", public_url="https://mail.test"),
    )
    return Preparer(cast("Process", process), cast("Directory", StubDirectory()), cast("Signing", signing)), signing


def nothing(_: int) -> list[Claimed]:
    """Nothing else is waiting."""
    return []


def after(mails: list[Claimed], one: Claimed) -> Callable[[int], list[Claimed]]:
    """What goes after this one."""
    rest = mails[mails.index(one) + 1 :]
    return lambda most: rest[:most]


def recipients(number: int, octets: int = 100) -> list[Claimed]:
    content = b"From: ann@example.test\r\n\r\n" + b"x" * octets + b"\r\n"
    encoding, stored = bodies.pack(content, None)
    message = Message(uuid4(), "ann@example.test", MailClass.TRANSACTIONAL, False, False, encoding, stored)
    later = NOW + timedelta(days=3)
    return [
        Claimed(WORKSPACE, uuid4(), f"{n}@there.test", "there.test", 4, 1, later, "", message) for n in range(number)
    ]


async def test_one_signature_serves_all_recipients_each_with_a_return_path_of_its_own(
    preparer: tuple[Preparer, SlowSigning],
) -> None:
    prepare, signing = preparer
    asked = [asyncio.create_task(prepare.prepare(mail, None, nothing)) for mail in recipients(20)]
    await asyncio.sleep(0)
    signing.may.set()
    made = await asyncio.gather(*asked)
    assert signing.asked == [1]
    assert {signature for _, signature in made} == {b"DKIM-Signature: 1\r\n"}
    assert len({envelope.mail_from for envelope, _ in made}) == 20


async def test_when_the_first_fails_the_others_try_for_themselves(preparer: tuple[Preparer, SlowSigning]) -> None:
    prepare, signing = preparer
    asked = [asyncio.create_task(prepare.prepare(mail, None, nothing)) for mail in recipients(3)]
    await asyncio.sleep(0)
    signing.breaks = True
    signing.may.set()
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in made] == [ValueError] * 3


async def test_when_the_first_is_cut_off_the_next_one_signs(preparer: tuple[Preparer, SlowSigning]) -> None:
    prepare, signing = preparer
    asked = [asyncio.create_task(prepare.prepare(mail, None, nothing)) for mail in recipients(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    signing.may.set()
    assert len(await asyncio.gather(*asked[1:])) == 2
    assert signing.asked == [1, 1]


async def test_large_messages_are_not_kept(preparer: tuple[Preparer, SlowSigning]) -> None:
    prepare, signing = preparer
    signing.may.set()
    for mail in recipients(2, HELD_BODY_OCTETS + 1):
        await prepare.prepare(mail, None, nothing)
    assert signing.asked == [1, 1]


async def test_what_goes_next_is_signed_along_and_once(preparer: tuple[Preparer, SlowSigning]) -> None:
    prepare, signing = preparer
    signing.at_once = 8
    mails = [recipients(1)[0] for _ in range(20)]
    asked = [asyncio.create_task(prepare.prepare(mail, None, after(mails, mail))) for mail in mails]
    await asyncio.sleep(0)
    signing.may.set()
    made = await asyncio.gather(*asked)
    assert signing.asked == [8, 8, 4]
    assert [envelope.recipients for envelope, _ in made] == [(mail.address,) for mail in mails]
    assert [envelope.content[1] for envelope, _ in made] == [
        bodies.unpack(mail.message.encoding, mail.message.stored or b"", bytes) for mail in mails
    ]


async def test_nothing_is_signed_along_where_one_after_the_other_is_as_fast(
    preparer: tuple[Preparer, SlowSigning],
) -> None:
    prepare, signing = preparer
    signing.may.set()
    mails = [recipients(1)[0] for _ in range(3)]
    await prepare.prepare(mails[0], None, after(mails, mails[0]))
    assert signing.asked == [1]


async def test_other_recipients_of_one_message_are_no_second_message(preparer: tuple[Preparer, SlowSigning]) -> None:
    prepare, signing = preparer
    signing.at_once = 8
    signing.may.set()
    mails = recipients(5)
    for mail in mails:
        await prepare.prepare(mail, None, after(mails, mail))
    assert signing.asked == [1]


async def test_what_cannot_be_opened_or_is_large_waits_for_its_own_turn(
    preparer: tuple[Preparer, SlowSigning],
) -> None:
    prepare, signing = preparer
    signing.at_once = 8
    signing.may.set()
    first, broken, large, last = (
        recipients(1)[0],
        recipients(1)[0],
        recipients(1, HELD_BODY_OCTETS + 1)[0],
        recipients(1)[0],
    )
    broken = replace(broken, message=replace(broken.message, encoding=bodies.ZSTD, stored=b"not packed"))
    mails = [first, broken, large, last]
    await prepare.prepare(first, None, after(mails, first))
    assert signing.asked == [2]
    with pytest.raises(Exception, match="frame"):
        await prepare.prepare(broken, None, nothing)
    await prepare.prepare(large, None, nothing)
    await prepare.prepare(last, None, nothing)
    assert signing.asked == [2, 1]


async def test_no_more_is_kept_than_its_share_of_memory(
    preparer: tuple[Preparer, SlowSigning], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, signing = preparer
    signing.may.set()
    monkeypatch.setattr(module, "_KEPT_OCTETS", 1_000)
    one, two = recipients(1, 600)[0], recipients(1, 600)[0]
    for mail in (one, two, two, one):
        await prepare.prepare(mail, None, nothing)
    assert signing.asked == [1, 1, 1]


def marketing(content: bytes = b"From: ann@example.test\r\n\r\nhi\r\n", sender: str = "ann@example.test") -> Claimed:
    encoding, stored = bodies.pack(content, None)
    message = Message(uuid4(), sender, MailClass.MARKETING, False, False, encoding, stored)
    return to_another(message)


def to_another(message: Message) -> Claimed:
    return Claimed(WORKSPACE, uuid4(), "b@there.test", "there.test", 4, 1, NOW + timedelta(days=3), "", message)


async def test_marketing_names_where_complaints_go_and_the_signature_covers_it(
    preparer: tuple[Preparer, SlowSigning], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, signing = preparer
    monkeypatch.setattr(StubDirectory, "own", "bounces.example.test")
    signing.may.set()
    mail = marketing()
    envelope, fields = await prepare.prepare(mail, None, nothing)
    block, _ = headers.split(b"".join(envelope.content))
    value, feedback_id = headers.first(block, "CFBL-Address"), headers.first(block, "CFBL-Feedback-ID")
    assert value
    assert feedback_id == str(mail.message.message_id).encode()
    address, _, parameter = value.decode().partition("; ")
    local, _, domain = address.partition("@")
    assert (domain, parameter) == ("bounces.example.test", "report=arf")
    assert verp.decode(local, b"s" * 32) == ReturnToken(Purpose.COMPLAINT, 1, mail.message.message_id)
    assert fields.startswith(b"DKIM-Signature: 1\r\n")
    (draft,) = signing.drafts
    assert b"cfbl-address:cfbl-feedback-id" in b"".join(draft.unsigned.lower().split())


@pytest.mark.parametrize(
    ("own", "sender", "content"),
    [
        (None, "ann@example.test", b"From: ann@example.test\r\n\r\nhi\r\n"),
        ("bounces.sister.test", "ann@example.test", b"From: ann@example.test\r\n\r\nhi\r\n"),  # beside, not below
        ("bounces.other.test", "ann@other.test", b"From: ann@other.test\r\n\r\nhi\r\n"),  # no signature of its own
        (
            "bounces.example.test",
            "ann@example.test",
            b"From: ann@example.test\r\nCFBL-Address: me@x.test\r\n\r\nhi\r\n",
        ),
    ],
)
async def test_no_address_for_complaints_is_named_that_receivers_would_not_believe(
    preparer: tuple[Preparer, SlowSigning], monkeypatch: pytest.MonkeyPatch, own: str, sender: str, content: bytes
) -> None:
    prepare, signing = preparer
    monkeypatch.setattr(StubDirectory, "own", own)
    signing.may.set()
    _, fields = await prepare.prepare(marketing(content, sender), None, nothing)
    assert b"CFBL" not in fields


async def test_single_messages_have_no_address_for_complaints(
    preparer: tuple[Preparer, SlowSigning], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, signing = preparer
    monkeypatch.setattr(StubDirectory, "own", "bounces.example.test")
    signing.may.set()
    _, fields = await prepare.prepare(recipients(1)[0], None, nothing)
    assert fields == b"DKIM-Signature: 1\r\n"


def opt_out(fields: bytes) -> tuple[str, str]:
    """The page and the address of List-Unsubscribe."""
    value = headers.first(fields, "List-Unsubscribe")
    assert value is not None
    page, mailbox = re.findall(r"<([^>]*)>", value.decode())
    return page, mailbox


@pytest.mark.parametrize(
    ("own", "processing", "domain"),
    [
        (None, True, "bounces.test"),
        ("b.example.test", True, "b.example.test"),
        ("b.example.test", False, "bounces.test"),
    ],
)
async def test_each_recipient_of_marketing_gets_a_way_out_under_the_signature(
    preparer: tuple[Preparer, SlowSigning], monkeypatch: pytest.MonkeyPatch, own: str, domain: str, *, processing: bool
) -> None:
    prepare, signing = preparer
    monkeypatch.setattr(StubDirectory, "own", own)
    monkeypatch.setattr(StubDirectory, "bounce_processing", processing)
    signing.may.set()
    first = marketing()
    for mail in (first, to_another(first.message)):
        envelope, fields = await prepare.prepare(mail, None, nothing)
        page, mailbox = opt_out(fields)
        token = page.removeprefix("https://mail.test/u/")
        assert mailbox == f"mailto:{token}@{domain}?subject=unsubscribe"
        assert verp.decode(token, b"s" * 32) == ReturnToken(Purpose.UNSUBSCRIBE, 1, mail.recipient_id)
        assert b"".join(envelope.content).startswith(fields)
        (draft,) = signing.drafts
        assert b"list-unsubscribe:list-unsubscribe-post" in b"".join(draft.unsigned.lower().split())
    assert signing.asked == [1, 1]


async def test_the_way_out_leads_over_the_sender_s_own_link_host(
    preparer: tuple[Preparer, SlowSigning], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, signing = preparer
    monkeypatch.setattr(StubDirectory, "links", "links.example.test")
    signing.may.set()
    _, fields = await prepare.prepare(marketing(), None, nothing)
    assert opt_out(fields)[0].startswith("https://links.example.test/u/")


async def test_a_sender_s_own_way_out_stays_the_only_one(preparer: tuple[Preparer, SlowSigning]) -> None:
    prepare, signing = preparer
    signing.may.set()
    own = b"List-Unsubscribe: <https://shop.test/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    _, fields = await prepare.prepare(marketing(own + b"From: ann@example.test\r\n\r\nhi\r\n"), None, nothing)
    assert fields == b"DKIM-Signature: 1\r\n"
