"""Received mail as pages and JSON show it. Pure."""

import base64
import re
from dataclasses import dataclass
from typing import Any, Final

from posthouse.lab.mailbox import Received
from posthouse.lab.verdict import Verdict
from posthouse.wire import headers
from posthouse.wire.parts import Part, walk

_CID: Final = re.compile(r"cid:([^\"'()<>\s]+)", re.IGNORECASE)
_CHARSET: Final = '<meta charset="utf-8">'


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part that is neither the text nor the HTML; `size` in octets."""

    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader sees: `html` with its inline images inside, `text`, and everything else by name."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]


def content(received: Received) -> Content:
    """Take the parts of a mail apart."""
    parts = walk(received.content)
    text = next((part for part in parts if _is_body(part, "text/plain")), None)
    html = next((part for part in parts if _is_body(part, "text/html")), None)
    others = [part for part in parts if part is not text and part is not html]
    return Content(
        text=text.text() if text else "",
        html=_with_images(html.text(), others) if html else "",
        attachments=tuple(Attachment(p.filename or "unnamed", p.content_type, len(p.body)) for p in others),
    )


def header_fields(received: Received) -> list[tuple[str, str]]:
    """Every header field with its name as written and its value decoded."""
    return [
        (field.raw.partition(b":")[0].decode("ascii", "replace"), headers.decode(field.value))
        for field in headers.fields(received.header)
    ]


def summary(received: Received) -> dict[str, Any]:
    """One mail in a list."""
    return {
        "id": received.number,
        "received_at": received.received_at.isoformat(),
        "mail_from": received.mail_from,
        "recipients": list(received.recipients),
        "from": received.author,
        "subject": received.subject,
        "message_id": received.field("message-id"),
        "size": len(received.content),
    }


def detail(received: Received, verdict: Verdict) -> dict[str, Any]:
    """One mail with everything but its raw octets."""
    found = content(received)
    return {
        **summary(received),
        "peer": received.peer,
        "helo": received.helo,
        "tls": received.tls,
        "headers": [{"name": name, "value": value} for name, value in header_fields(received)],
        "text": found.text,
        "html": found.html,
        "attachments": [{"name": a.name, "content_type": a.content_type, "size": a.size} for a in found.attachments],
        "verdict": {
            "passed": verdict.passed,
            "findings": [{"check": f.check, "result": f.result, "sentence": f.sentence} for f in verdict.findings],
        },
    }


def frame_document(html: str) -> str:
    """The HTML of a mail as a document of its own, for a sandboxed frame."""
    return _CHARSET + html


def octets(size: int) -> str:
    """A size for people."""
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KB" if size < 1_048_576 else f"{size / 1_048_576:.1f} MB"


def _is_body(part: Part, content_type: str) -> bool:
    return part.content_type == content_type and part.disposition != "attachment"


def _with_images(html: str, parts: list[Part]) -> str:
    """Inline images (RFC 2392) put into the document itself: a sandboxed frame may load nothing."""
    images = {
        part.content_id.strip("<>"): part for part in parts if part.content_id and part.content_type[:6] == "image/"
    }

    def image(match: re.Match[str]) -> str:
        part = images.get(match[1])
        if part is None:
            return match[0]
        return f"data:{part.content_type};base64,{base64.b64encode(part.body).decode('ascii')}"

    return _CID.sub(image, html) if images else html
