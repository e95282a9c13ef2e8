"""What a message that is sent again keeps, what is new, and who may get it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from posthouse.intake.resend import RESENT_FROM, again, chosen
from posthouse.model.limits import METADATA_ENTRIES
from posthouse.model.mail import Recipient, Refused, Submitter
from posthouse.model.words import Kind, MailClass, Pool, Route, Scope, Source, State
from posthouse.outbox.messages import MessageRow, RecipientRow

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OLD, NEW = UUID(int=1), UUID("0193a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b")
KEY = Submitter(UUID(int=3), 7, UUID(int=4), "api_key", "shop", frozenset(Scope))
ANN, BO = Recipient("ann@there.test", Kind.TO), Recipient("bo@there.test", Kind.BCC)
STORED = b"Message-ID: <old@example.com>\r\nDate: then\r\nFrom: us@example.com\r\nTo: ann@there.test\r\n\r\nHello\r\n"
ORIGINAL = MessageRow(
    message_id=OLD, accepted_at=NOW - timedelta(days=2), source=Source.SMTP, mail_class=MailClass.BUSINESS,
    route=Route.TRANSACTIONAL, route_reason="", sender="us@example.com", subject="Hello", message_id_header="<old@example.com>",
    priority=7, tags=("hi",), metadata={"order": "17"}, send_at=NOW - timedelta(days=1), expires_at=NOW, octets=len(STORED),
    credential_id=UUID(int=5), recipient_count=2,
)  # fmt: skip


def known(*recipients: Recipient) -> list[RecipientRow]:
    values: dict[str, Any] = {
        "message_id": OLD, "pool": Pool.TRANSACTIONAL, "state": State.BOUNCED, "priority": 7, "not_before": NOW, "expires_at": NOW, "attempts": 1,
        "claimed_at": None, "settled_at": NOW, "reason": "", "code": 550, "enhanced": None, "remote": None,
    }  # fmt: skip
    return [
        RecipientRow(recipient_id=UUID(int=index), address=each.address, domain=each.domain, kind=each.kind, **values)
        for index, each in enumerate(recipients)
    ]


def test_everything_is_kept_but_the_identity_the_date_and_the_schedule() -> None:
    submission = again(ORIGINAL, (ANN,), STORED, KEY, NEW, NOW)
    assert (submission.sender, submission.subject) == ("us@example.com", "Hello")
    assert (submission.mail_class, submission.priority, submission.tags) == (MailClass.BUSINESS, 7, ("hi",))
    assert (submission.send_at, submission.expires_at, submission.recipients) == (None, None, (ANN,))
    assert (submission.message_id, submission.message_id_header) == (NEW, f"<{NEW}@example.com>")
    assert submission.content.startswith(
        f"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{NEW}@example.com>\r\nFrom: us@example.com\r\n".encode()
    )
    assert submission.content.endswith(b"\r\nTo: ann@there.test\r\n\r\nHello\r\n")


def test_the_metadata_leads_back_and_loses_nothing() -> None:
    assert again(ORIGINAL, (ANN,), STORED, KEY, NEW, NOW).metadata == {"order": "17", RESENT_FROM: str(OLD)}
    full = {str(number): "x" for number in range(METADATA_ENTRIES)}
    first = replace(ORIGINAL, metadata=full)
    assert again(first, (ANN,), STORED, KEY, NEW, NOW).metadata == full | {RESENT_FROM: str(OLD)}


def test_of_a_message_sent_again_and_again_each_names_the_one_before() -> None:
    second = replace(ORIGINAL, message_id=NEW, metadata={RESENT_FROM: str(OLD)})
    assert again(second, (ANN,), STORED, KEY, UUID(int=9), NOW).metadata == {RESENT_FROM: str(NEW)}


@pytest.mark.parametrize(
    ("kind", "source"),
    [("user", Source.MANUAL), ("api_key", Source.API)],
)
def test_a_person_sends_by_hand_and_a_key_by_the_api(kind: str, source: Source) -> None:
    assert again(ORIGINAL, (ANN,), STORED, replace(KEY, credential_kind=kind), NEW, NOW).source is source


def test_where_priorities_are_switched_off_the_old_one_is_not_named() -> None:
    assert again(ORIGINAL, (ANN,), STORED, replace(KEY, priority_allowed=False), NEW, NOW).priority is None


@pytest.mark.parametrize(
    ("recipients", "header_to", "needed"),
    [
        ((ANN,), "ann@there.test", False),
        ((ANN,), "ann@there.test, søren@there.test", True),
        ((Recipient("søren@there.test", Kind.BCC),), "ann@there.test", True),
    ],
)
def test_smtputf8_is_asked_for_only_when_an_address_needs_it(
    recipients: tuple[Recipient, ...], header_to: str, needed: bool
) -> None:
    stored = STORED.replace(b"To: ann@there.test", f"To: {header_to}".encode())
    assert again(ORIGINAL, recipients, stored, KEY, NEW, NOW).smtputf8 is needed


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (None, (ANN, BO)),
        (["bo@there.test"], (BO,)),
        (["Bo <bo@THERE.test>", "ann@there.test", "bo@there.test"], (ANN, BO)),
    ],
)
def test_all_recipients_get_it_or_those_named_as_they_were_addressed(
    to: list[str] | None, expected: tuple[Recipient, ...]
) -> None:
    assert chosen(known(ANN, BO), to) == expected


@pytest.mark.parametrize(
    ("to", "problems"),
    [
        ([], [("/to", "required")]),
        (["ann@there.test", "eve@there.test"], [("/to/1", "not_a_recipient")]),
        (["nonsense", "ANN@there.test"], [("/to/0", "invalid_address"), ("/to/1", "not_a_recipient")]),
    ],
)
def test_nobody_else_can_be_named(to: list[str], problems: list[tuple[str, str]]) -> None:
    outcome = chosen(known(ANN, BO), to)
    assert isinstance(outcome, Refused)
    assert [(each.pointer, each.code) for each in outcome.problems] == problems
