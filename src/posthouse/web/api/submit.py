"""`POST /v1/messages`: JSON -> submissions -> the door -> one answer. The hot path of the API."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.intake.accept import Idempotency, KeyConflict, Replay
from posthouse.intake.request import Call, Context, parse
from posthouse.model.errors import FieldProblem
from posthouse.model.limits import IDEMPOTENCY_KEY_CHARS, PARSE_ASIDE_OCTETS
from posthouse.model.mail import Accepted, AcceptedRecipient, Receipt, Refused, Submission
from posthouse.model.words import Kind, MailClass, Route, State
from posthouse.runtime.ids import Ids
from posthouse.web.api.exchange import JSON, Answer, Exchange
from posthouse.web.api.problems import PROBLEM_JSON, Problem, invalid, problem, refusal

_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{IDEMPOTENCY_KEY_CHARS}}}")
_encode: Final = msgspec.json.Encoder().encode
_REPLAYED: Final = (("idempotent-replayed", "true"),)


class RecipientReceipt(msgspec.Struct, frozen=True):
    """One recipient of an accepted message."""

    id: Annotated[UUID | None, Meta(description="null in a dry run")]
    address: str
    kind: Kind
    status: Annotated[State, Meta(description="suppressed when it will not be written to")]
    reason: Annotated[str, Meta(description="why it is suppressed, else empty")]


class WarningView(msgspec.Struct, frozen=True):
    """What does not stop a message and may harm it."""

    code: str
    detail: str


class MessageReceipt(msgspec.Struct, frozen=True, rename={"mail_class": "class"}):
    """One message that was accepted: it is committed."""

    id: Annotated[UUID | None, Meta(description="null in a dry run")]
    message_id: Annotated[str | None, Meta(description="the Message-ID header; null in a dry run")]
    route: Annotated[Route, Meta(description="the one road it takes")]
    reason: Annotated[str, Meta(description="why it takes that road")]
    mail_class: MailClass
    priority: Annotated[int, Meta(ge=0, le=9)]
    recipients: tuple[RecipientReceipt, ...]
    warnings: Annotated[
        tuple[WarningView, ...],
        Meta(
            description="of a dry run: `return_path_not_aligned` when SPF will not count for DMARC, `link_listed` for each domain on a"
            " block list that links lead to"
        ),
    ]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one message of a list: `message` when it was accepted, else `problem`."""

    status: int
    message: MessageReceipt | None = None
    problem: Problem | None = None


class Results(msgspec.Struct, frozen=True):
    """What became of each message of a list, in its order."""

    accepted: int
    refused: int
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Response:
    """How the receipts of one call are told; the door keeps it with the idempotency key."""

    call: Call
    dry: bool

    def __call__(self, receipts: Sequence[Receipt]) -> tuple[int, bytes]:
        """Status and body for the receipts of the submissions in the call."""
        if self.call.single:
            return self._single(receipts[0])
        results = self._results(receipts)
        accepted = sum(1 for result in results if result.message)
        if not accepted:
            errors = [error for result in results if result.problem for error in result.problem.errors]
            return 422, _encode(invalid([FieldProblem(each.pointer, each.code, each.detail) for each in errors]))
        return self._status, _encode(Results(accepted, len(results) - accepted, results))

    @property
    def _status(self) -> int:
        return 200 if self.dry else 202

    def _single(self, receipt: Receipt) -> tuple[int, bytes]:
        if isinstance(receipt, Refused):
            return receipt.status, _encode(_problem(receipt))
        submission = self.call.messages[0]
        assert isinstance(submission, Submission)
        return self._status, _encode(_receipt(receipt, submission, self.dry))

    def _results(self, receipts: Sequence[Receipt]) -> tuple[Result, ...]:
        decided = iter(receipts)
        return tuple(self._result(index, message, decided) for index, message in enumerate(self.call.messages))

    def _result(self, index: int, message: Submission | Refused, receipts: Iterator[Receipt]) -> Result:
        if isinstance(message, Refused):
            return Result(message.status, problem=_problem(message))
        receipt = next(receipts)
        if isinstance(receipt, Refused):
            return Result(receipt.status, problem=_problem(receipt, f"/{index}"))
        return Result(self._status, message=_receipt(receipt, message, self.dry))


async def submit(exchange: Exchange) -> Answer:
    """Accept one message or a list; 202 after COMMIT, 200 for a dry run, 422 when every message is refused."""
    key = idempotency_key(exchange)
    if isinstance(key, Answer):
        return key
    call = await _parsed(exchange)
    if isinstance(call, Refused):
        return refusal(_problem(call))
    dry = exchange.query.get("dry_run") is True
    respond = Response(call, dry)
    submissions = [message for message in call.messages if isinstance(message, Submission)]
    if not submissions:
        return _told(*respond([message for message in call.messages if isinstance(message, Refused)]))
    if dry:
        return _told(*respond(await exchange.rooms.door.dry_run(exchange.submitter, submissions)))
    return await hand_over(exchange, submissions, key, respond)


def idempotency_key(exchange: Exchange) -> str | Answer | None:
    """The request's Idempotency-Key if it has one, or the refusal of one that is not usable."""
    key = exchange.headers.get("idempotency-key")
    if key is None or _KEY.fullmatch(key):
        return key
    detail = f"A key has 1 to {IDEMPOTENCY_KEY_CHARS} printable ASCII characters without spaces."
    return refusal(invalid([FieldProblem("Idempotency-Key", "invalid_key", detail)]))


async def hand_over(
    exchange: Exchange, submissions: Sequence[Submission], key: str | None, respond: Response
) -> Answer:
    """Have the door accept the submissions, once for each key, and tell what became of them."""
    idempotency = Idempotency(key, _fingerprint(exchange), respond) if key is not None else None
    outcome = await exchange.rooms.door.accept(exchange.submitter, submissions, idempotency)
    match outcome:
        case KeyConflict():
            return refusal(problem(409, "This Idempotency-Key was used for another request within the last 24 hours."))
        case Replay(status, response):
            return Answer(status, response, _media(status), _REPLAYED)
        case receipts:
            return _told(*respond(receipts))


async def _parsed(exchange: Exchange) -> Call | Refused:
    process = exchange.rooms.process
    aside = len(exchange.body) > PARSE_ASIDE_OCTETS
    ids = Ids(process.clock) if aside else process.ids  # the process's own belong to its event loop's thread
    context = Context(exchange.submitter, process.clock.now(), ids.new)
    return await asyncio.to_thread(parse, exchange.body, context) if aside else parse(exchange.body, context)


def _fingerprint(exchange: Exchange) -> bytes:
    return sha256(exchange.target.encode() + b"\n" + exchange.body).digest()


def _receipt(accepted: Accepted, submission: Submission, dry: bool) -> MessageReceipt:
    return MessageReceipt(
        id=None if dry else accepted.message_id,
        message_id=None if dry else submission.message_id_header,
        route=accepted.choice.route,
        reason=accepted.choice.reason,
        mail_class=accepted.choice.mail_class,
        priority=accepted.choice.priority,
        recipients=tuple(_recipient(each, dry) for each in accepted.recipients),
        warnings=tuple(WarningView(each.code, each.detail) for each in accepted.warnings),
    )


def _recipient(each: AcceptedRecipient, dry: bool) -> RecipientReceipt:
    return RecipientReceipt(None if dry else each.recipient_id, each.address, each.kind, each.state, each.reason)


def _problem(refused: Refused, at: str = "") -> Problem:
    moved = [FieldProblem(at + each.pointer, each.code, each.detail) for each in refused.problems]
    return invalid(moved, refused.status)


def _told(status: int, body: bytes) -> Answer:
    return Answer(status, body, _media(status))


def _media(status: int) -> str:
    return JSON if status < 300 else PROBLEM_JSON
