"""Whether a draft can be written as a message: every bad field at once, named by its place in the API's JSON.

A list without problems is a promise: `wire.mime.write` cannot fail on that draft.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from posthouse.model.errors import FieldProblem
from posthouse.model.limits import (
    ATTACHMENTS_PER_MESSAGE,
    DISPLAY_NAME_CHARS,
    FILENAME_CHARS,
    HEADER_VALUE_CHARS,
    HEADERS_PER_MESSAGE,
    SUBJECT_CHARS,
)
from posthouse.wire.addresses import Mailbox
from posthouse.wire.mime import Attachment, Draft
from posthouse.wire.mime_fields import is_field_name, is_safe

# Written by the house, by the fields of the draft, or by servers on the way: a second one would contradict the first.
RESERVED_HEADERS: Final = frozenset({
    "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version", "sender", "feedback-id",
    "return-path", "received", "dkim-signature", "domainkey-signature", "authentication-results", "received-spf",
})  # fmt: skip
_RESERVED_PREFIXES: Final = ("content-", "arc-", "resent-", "x-mail-")
_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE: Final = re.compile(rf'{_WORD}/{_WORD}(?:\s*;\s*{_WORD}=(?:{_WORD}|"[^"\\\x00-\x1f\x7f]*"))*')
_MEDIA_TYPE_CHARS: Final = 255
_CONTENT_ID: Final = re.compile(r"[!-;=?-~]{1,255}")


def problems(draft: Draft) -> tuple[FieldProblem, ...]:
    """Everything that keeps the draft from being written, empty when nothing does."""
    return tuple(_problems(draft))


def _problems(draft: Draft) -> Iterator[FieldProblem]:
    yield from _name_problems("/from", (draft.sender,))
    for field, mailboxes in (("/to", draft.to), ("/cc", draft.cc), ("/reply_to", draft.reply_to)):
        yield from _name_problems(field, mailboxes)
    yield from _text_problems("/subject", draft.subject, SUBJECT_CHARS)
    yield from _header_problems(draft.headers)
    if len(draft.attachments) > ATTACHMENTS_PER_MESSAGE:
        yield FieldProblem("/attachments", "too_many", f"At most {ATTACHMENTS_PER_MESSAGE} attachments.")
    for index, item in enumerate(draft.attachments):
        yield from _attachment_problems(f"/attachments/{index}", item)
    yield from _repeated_content_ids(draft.attachments)


def _name_problems(pointer: str, mailboxes: tuple[Mailbox, ...]) -> Iterator[FieldProblem]:
    for index, mailbox in enumerate(mailboxes):
        yield from _text_problems(
            pointer if pointer == "/from" else f"{pointer}/{index}", mailbox.name, DISPLAY_NAME_CHARS
        )


def _text_problems(pointer: str, text: str, longest: int) -> Iterator[FieldProblem]:
    if not is_safe(text):
        yield FieldProblem(
            pointer, "control_character", "Line breaks and other control characters are not allowed here."
        )
    if len(text) > longest:
        yield FieldProblem(pointer, "too_long", f"At most {longest} characters.")


def _header_problems(headers: tuple[tuple[str, str], ...]) -> Iterator[FieldProblem]:
    if len(headers) > HEADERS_PER_MESSAGE:
        yield FieldProblem("/headers", "too_many", f"At most {HEADERS_PER_MESSAGE} headers.")
    for name, value in headers:
        pointer = f"/headers/{name.replace('~', '~0').replace('/', '~1')}"
        if not is_field_name(name):
            yield FieldProblem(
                pointer, "invalid_header_name", "A header name is printable ASCII without spaces or colons."
            )
        elif name.lower() in RESERVED_HEADERS or name.lower().startswith(_RESERVED_PREFIXES):
            yield FieldProblem(pointer, "reserved_header", f"{name} is written by Posthouse or by a field of its own.")
        yield from _text_problems(pointer, value, HEADER_VALUE_CHARS)


def _attachment_problems(pointer: str, item: Attachment) -> Iterator[FieldProblem]:
    yield from _text_problems(f"{pointer}/filename", item.filename, FILENAME_CHARS)
    kind = item.content_type
    if not _is_media_type(kind) or kind.lower().startswith("multipart/"):
        yield FieldProblem(
            f"{pointer}/content_type", "invalid_content_type", "A content type reads like application/pdf."
        )
    if item.content_id is not None and not _CONTENT_ID.fullmatch(item.content_id):
        detail = "A content id is printable ASCII without spaces or angle brackets."
        yield FieldProblem(f"{pointer}/content_id", "invalid_content_id", detail)
    if item.disposition not in {"attachment", "inline"}:
        yield FieldProblem(f"{pointer}/disposition", "invalid_disposition", "A disposition is attachment or inline.")


def _repeated_content_ids(attachments: tuple[Attachment, ...]) -> Iterator[FieldProblem]:
    times = Counter(item.content_id for item in attachments if item.content_id is not None)
    for index, item in enumerate(attachments):
        if item.content_id is not None and times[item.content_id] > 1:
            yield FieldProblem(
                f"/attachments/{index}/content_id", "repeated_content_id", "Each content id names one part."
            )


def _is_media_type(text: str) -> bool:
    return len(text) <= _MEDIA_TYPE_CHARS and text.isascii() and _MEDIA_TYPE.fullmatch(text) is not None
