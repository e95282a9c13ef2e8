"""JSON as the API's clients post it -> `Submission`s, or what is wrong with them. Pure: the context brings the time and the ids.

`parse` reads a whole call, one object or an array; `parse_message` one message. Every bad field is named, wrong types and unknown
names included. A message is either complete and rendered, or refused; the others of the call are not affected.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from posthouse.content import footer
from posthouse.content.draft import problems as draft_problems
from posthouse.content.render import render
from posthouse.content.stamp import Stamp, mailing_of, stamp
from posthouse.content.submitted import Prepared, prepare, with_crlf
from posthouse.intake import request_fields as read
from posthouse.intake.request_attachments import attachments, blocked_extension, decode_base64
from posthouse.intake.request_problems import Problems, json_type, step
from posthouse.model.errors import FieldProblem
from posthouse.model.limits import (
    MESSAGE_OCTETS,
    MESSAGES_PER_CALL,
    RECIPIENTS_PER_CALL,
    RECIPIENTS_PER_MESSAGE,
    SCHEDULE_AHEAD_S,
    TEXT_LINE_OCTETS,
)
from posthouse.model.mail import Note, Recipient, Refused, Submission, Submitter
from posthouse.model.words import EventKind, Kind, MailClass, Pool, Source
from posthouse.wire.addresses import Mailbox, is_ascii
from posthouse.wire.mime import Attachment, Draft
from posthouse.wire.parts import walk


@dataclass(frozen=True, slots=True)
class Context:
    """What a message needs beside its fields: who submits it, when, and where new ids (UUIDv7) come from."""

    submitter: Submitter
    now: datetime
    new_id: Callable[[], UUID]
    source: Source = Source.API


@dataclass(frozen=True, slots=True)
class Call:
    """The messages of one call, in order; `single` when the body was one object and not an array."""

    single: bool
    messages: tuple[Submission | Refused, ...]


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one message after reading, absent ones at their defaults."""

    sender: Mailbox = Mailbox("")  # noqa: RUF009
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str = ""
    html: str | None = None
    text: str | None = None
    raw: bytes | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] | None = None
    mail_class: MailClass | None = None
    mailing_type: str = ""
    pool: Pool | None = None
    priority: int | None = None
    send_at: datetime | None = None
    expires_in: int | None = None
    tls: str = ""
    mass_reason: str = ""


def _raw(value: object, at: str, problems: Problems) -> bytes | None:
    """A whole MIME message, as text or as base64: a header always has a colon and base64 never."""
    if not isinstance(value, str):
        problems.wrong_type(at, "a string", value)
        return None
    content = value.encode() if ":" in value else decode_base64(value)
    if not content:
        problems.add(at, "invalid_raw", "This must be a MIME message, as it is or in base64.")
        return None
    return with_crlf(content)


# Field of the API -> attribute of _Fields and its reader.
READERS: Final[dict[str, tuple[str, Callable[[object, str, Problems], object]]]] = {
    "from": ("sender", read.mailbox),
    "to": ("to", read.mailboxes),
    "cc": ("cc", read.mailboxes),
    "bcc": ("bcc", read.mailboxes),
    "reply_to": ("reply_to", read.mailboxes),
    "subject": ("subject", read.text),
    "html": ("html", read.body_text),
    "text": ("text", read.body_text),
    "raw": ("raw", _raw),
    "attachments": ("attachments", attachments),
    "headers": ("headers", read.headers),
    "tags": ("tags", read.tags),
    "metadata": ("metadata", read.metadata),
    "class": ("mail_class", read.mail_class),
    "mailing_type": ("mailing_type", read.mailing_type),
    "pool": ("pool", read.pool),
    "priority": ("priority", read.priority),
    "send_at": ("send_at", read.instant),
    "expires_in": ("expires_in", read.expires_in),
    "tls": ("tls", read.tls),
    "mass_reason": ("mass_reason", read.reason),
}
_NOT_WITH_RAW: Final = ("from", "reply_to", "subject", "html", "text", "attachments", "headers")
_decode: Final = msgspec.json.Decoder().decode


def parse(body: bytes, context: Context) -> Call | Refused:
    """Read the body of a call. `Refused` when it cannot be taken apart into messages: status 400 no JSON, 422 too many or none."""
    try:
        decoded = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return _refused("", "invalid_json", f"The body is not usable JSON: {error}.", 400)
    if isinstance(decoded, dict):
        return Call(True, (parse_message(decoded, context),))
    if not isinstance(decoded, list):
        return _refused("", "wrong_type", f"This must be a message or an array of messages, not {json_type(decoded)}.")
    if not 0 < len(decoded) <= MESSAGES_PER_CALL:
        return _refused("", "wrong_length", f"A call has 1 to {MESSAGES_PER_CALL} messages.")
    messages = tuple(_parse_item(item, context, f"/{index}") for index, item in enumerate(decoded))
    if sum(len(each.recipients) for each in messages if isinstance(each, Submission)) > RECIPIENTS_PER_CALL:
        return _refused("", "too_many_recipients", f"At most {RECIPIENTS_PER_CALL} recipients per call.")
    return Call(False, messages)


def parse_message(message: Mapping[str, object], context: Context, at: str = "") -> Submission | Refused:
    """Read one decoded message; `at` is the pointer its problems start with. Status 413 when it is too large."""
    problems = Problems()
    fields = _read(message, at, problems)
    _check_together(message, fields, context.now, at, problems)
    draft = _draft(fields)
    for each in draft_problems(draft):
        problems.add(at + each.pointer, each.code, each.detail)
    if problems:
        return Refused(problems.found())
    composed = _take_raw(fields.raw, fields, context, at) if fields.raw else _compose(draft, fields, context)
    if isinstance(composed, Submission) and len(composed.content) > MESSAGE_OCTETS:
        return _refused(
            at, "too_large", f"The message has {len(composed.content)} octets; {MESSAGE_OCTETS} are allowed.", 413
        )
    return composed


def _parse_item(item: object, context: Context, at: str) -> Submission | Refused:
    if isinstance(item, dict):
        return parse_message(item, context, at)
    return _refused(at, "wrong_type", f"This must be a message, an object, not {json_type(item)}.")


def _read(message: Mapping[str, object], at: str, problems: Problems) -> _Fields:
    values: dict[str, Any] = {}
    for name, value in message.items():
        known = READERS.get(name)
        if known:
            values[known[0]] = known[1](value, step(at, name), problems)
        else:
            problems.add(step(at, name), "unknown_field", "There is no such field; see the reference at /docs.")
    # A reader gives None only together with a problem, and then nothing but the presence of a field is looked at.
    return _Fields(**{name: value for name, value in values.items() if value is not None})


def _check_together(message: Mapping[str, object], fields: _Fields, now: datetime, at: str, problems: Problems) -> None:
    if "raw" in message:
        for name in _NOT_WITH_RAW:
            if name in message:
                problems.add(step(at, name), "not_with_raw", f"With `raw`, {name} comes from the message itself.")
    else:
        _check_composed(message, at, problems)
    if len(fields.to) + len(fields.cc) + len(fields.bcc) > RECIPIENTS_PER_MESSAGE:
        problems.add(f"{at}/to", "too_many_recipients", f"At most {RECIPIENTS_PER_MESSAGE} recipients per message.")
    if fields.send_at and fields.send_at > now + timedelta(seconds=SCHEDULE_AHEAD_S):
        problems.add(f"{at}/send_at", "out_of_range", f"At most {SCHEDULE_AHEAD_S // 86_400} days ahead.")


def _check_composed(message: Mapping[str, object], at: str, problems: Problems) -> None:
    if "from" not in message:
        problems.add(f"{at}/from", "required", "The sender is missing.")
    if not any(message.get(name) for name in ("to", "cc", "bcc")):
        problems.add(f"{at}/to", "required", "Name at least one recipient in to, cc or bcc.")
    if "html" not in message and "text" not in message:
        problems.add(f"{at}/text", "required", "Give text, html or both.")


def _draft(fields: _Fields) -> Draft:
    return Draft(
        sender=fields.sender,
        to=fields.to,
        cc=fields.cc,
        reply_to=fields.reply_to,
        subject=fields.subject,
        text=fields.text,
        html=fields.html,
        attachments=fields.attachments,
        headers=fields.headers,
    )


def _compose(draft: Draft, fields: _Fields, context: Context) -> Submission:
    message_id = context.new_id()
    if _class(fields, context) is MailClass.MARKETING and context.submitter.postal_address:
        draft = footer.with_address(draft, context.submitter.postal_address)
    marks = _stamp(fields, context, message_id, fields.sender)
    recipients = _recipients(fields.to, fields.cc, fields.bcc)
    plain = all(is_ascii(each) for each in (fields.sender.address, *(recipient.address for recipient in recipients)))
    return _submission(
        fields,
        context,
        message_id=message_id,
        sender=fields.sender.address,
        recipients=recipients,
        subject=fields.subject,
        message_id_header=marks.message_id,
        content=render(draft, marks, message_id.bytes),
        smtputf8=not plain,
    )


def _take_raw(raw: bytes, fields: _Fields, context: Context, at: str) -> Submission | Refused:
    message_id = context.new_id()
    prepared = prepare(raw, lambda sender, _: _stamp(fields, context, message_id, sender), None)
    if not isinstance(prepared, Prepared):
        return Refused(
            tuple(FieldProblem(f"{at}/raw", each.code, f"{each.pointer}: {each.detail}") for each in prepared)
        )
    if problem := _raw_problem(prepared.content, f"{at}/raw"):
        return Refused((problem,))
    named = bool(fields.to or fields.cc or fields.bcc)
    groups = (fields.to, fields.cc, fields.bcc) if named else (prepared.to, prepared.cc, prepared.bcc)
    recipients = _recipients(*groups)
    if not 0 < len(recipients) <= RECIPIENTS_PER_MESSAGE:
        return _refused(f"{at}/to", "wrong_length", f"A message has 1 to {RECIPIENTS_PER_MESSAGE} recipients.")
    return _submission(
        fields,
        context,
        message_id=message_id,
        sender=prepared.sender.address,
        recipients=recipients,
        subject=prepared.subject,
        message_id_header=prepared.message_id,
        content=prepared.content,
        smtputf8=prepared.smtputf8 or not all(is_ascii(recipient.address) for recipient in recipients),
        notes=prepared.notes + tuple(map(_no_option, prepared.options)),
    )


def _raw_problem(content: bytes, at: str) -> FieldProblem | None:
    if max(map(len, content.split(b"\r\n"))) > TEXT_LINE_OCTETS:
        return FieldProblem(
            at, "line_too_long", f"A line has more than {TEXT_LINE_OCTETS} octets (RFC 5322 section 2.1.1)."
        )
    for part in walk(content):
        if extension := blocked_extension(part.filename):
            return FieldProblem(
                at, "blocked_attachment", f"An attached file is of type .{extension}, which can run programs."
            )
    return None


def _stamp(fields: _Fields, context: Context, message_id: UUID, sender: Mailbox) -> Stamp:
    mailing = mailing_of(fields.mailing_type, fields.tags)
    mail_class = _class(fields, context)
    return stamp(message_id, sender, mail_class, context.submitter.workspace_number, context.now, mailing)


def _class(fields: _Fields, context: Context) -> MailClass:
    return fields.mail_class or context.submitter.default_class


def _submission(fields: _Fields, context: Context, **composed: Any) -> Submission:  # noqa: ANN401
    """The parts both kinds of message share, added to what is composed differently."""
    # A time that has passed means now; kept, it would have the message expire before its first attempt.
    send_at = fields.send_at if fields.send_at and fields.send_at > context.now else None
    starts = send_at or context.now
    return Submission(
        source=context.source,
        mail_class=fields.mail_class,
        mailing_type=fields.mailing_type,
        pool=fields.pool,
        priority=fields.priority,
        send_at=send_at,
        expires_at=starts + timedelta(seconds=fields.expires_in) if fields.expires_in else None,
        tags=fields.tags,
        metadata=fields.metadata or {},
        verified_tls=fields.tls == read.VERIFIED,
        mass_reason=fields.mass_reason,
        **composed,
    )


def _recipients(to: Sequence[Mailbox], cc: Sequence[Mailbox], bcc: Sequence[Mailbox]) -> tuple[Recipient, ...]:
    """Everybody once: an address named twice gets one mail, of the first kind it was named with."""
    kinds = ((Kind.TO, to), (Kind.CC, cc), (Kind.BCC, bcc))
    unique: dict[str, Recipient] = {}
    for kind, group in kinds:
        for each in group:
            unique.setdefault(each.address, Recipient(each.address, kind))
    return tuple(unique.values())


def _refused(pointer: str, code: str, detail: str, status: int = 422) -> Refused:
    return Refused((FieldProblem(pointer, code, detail),), status)


def _no_option(name: str) -> Note:
    return Note(EventKind.HEADER_IGNORED, f"{name} has no effect over the API: use its field.")
