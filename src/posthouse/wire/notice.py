"""What a mail system writes to people when it could not deliver: the notice, cut from the message it returns. Pure.

Any message can be read so, whatever wrote it and in whatever language; whether it is a bounce at all is not asked here. What a
report says in fields (RFC 3464) is in `dsn`; this is for everything around the fields, and for the many systems that write none.
"""

import re
from typing import Final

from resiliparse.extract.html2text import extract_plain_text

from posthouse.model.limits import NOTICE_CHARS
from posthouse.model.values import dataclass
from posthouse.wire import headers
from posthouse.wire.headers import Field
from posthouse.wire.parts import Part, decode_transfer, walk

_RETURNED: Final = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "message/partial"}
)
_REPORTS: Final = frozenset({
    "message/delivery-status", "message/global-delivery-status", "message/feedback-report", "message/disposition-notification",
    "message/global-disposition-notification",
})  # fmt: skip

# Where a notice ends and the returned message begins: a line of its own that says so, in the words of dozens of systems.
_MARKS: Final = (
    r"original (?:message|mail|e-mail)(?! was (?:received|sent))", r"(?:unsent|returned|undelivered|failed|bounced) (?:message|mail)(?! notification| text)",
    r"(?:message|mail) (?:text|headers?|header) follows?", r"(?:message|original) headers? follow", r"header of the (?:failed|original)",
    r"below (?:this|the next) line is a copy", r"(?:here|this|below|following|enclosed) is (?:a|the) copy of (?:the|your) message",
    r"this is a copy of (?:the|your) message", r"(?:copy|text) of (?:the |your )?(?:original )?message",
    r"(?:your )?(?:original )?message (?:is )?(?:enclosed|attached|included|reproduced|follows)", r"message body follows",
    r"summary of the undelivered message", r"start of (?:the )?(?:returned|original) message", r"returned mail follows",
    r"message header(?:s)?(?: follow)?:?$", r"received headers?:?$", r"headers of the original message",
    r"urspr(?:ü|ue|u)ngliche nachricht", r"originalnachricht", r"kopie (?:der|ihrer) nachricht",
    r"message d'origine", r"message original", r"copie du message", r"ci-dessous la copie", r"en-t[êe]tes? (?:du message|d'origine)",
    r"mensaje original", r"copia del mensaje", r"mensagem original", r"c[óo]pia da mensagem",
    r"messaggio originale", r"copia del messaggio", r"oorspronkelijk(?:e)? bericht", r"originele bericht",
    r"oprindelig(?:e)? (?:meddelelse|besked)", r"original(?:meddelande|melding)", r"ursprungligt meddelande", r"opprinnelig melding",
    r"alkuperäinen viesti", r"oryginalna wiadomość", r"kopia wiadomości", r"původní zpráva", r"kopie zprávy", r"eredeti üzenet",
    r"исходное (?:сообщение|письмо)", r"копия (?:сообщения|письма)", r"оригинал(?:ьное)? (?:сообщени|письм)", r"текст письма",
    r"özgün (?:ileti|mesaj)", r"orijinal (?:ileti|mesaj)", r"元の(?:メッセージ|メール)", r"送信(?:された)?メール(?:の)?内容", r"以下は.*コピー",
    r"原始(?:邮件|郵件|信息|信件)", r"原(?:邮件|郵件|信)(?!信息|資訊)(?:内容|标题|標題)?", r"原郵件", r"원본 (?:메시지|메일)",
)  # fmt: skip
_RULE: Final = r"[ \t\-_=*#|>.:~+]{0,80}+"
_LEAD: Final = r"(?:(?:the|your|an?|attached|enclosed|below|here|following|is|are|copy|of|text|full|first|part|lines|from|contents?) ){0,7}"
_MARK: Final = re.compile(rf"^{_RULE}{_LEAD}(?:{'|'.join(_MARKS)})[^\n@]{{0,60}}$", re.IGNORECASE | re.MULTILINE)
# A returned message that nothing announces begins with fields only mail has.
_HEADER: Final = re.compile(
    r"^[ \t>|]*(?:Received: ?(?:from|by|\()|Return-Path: ?<|DKIM-Signature:|X-Originating-IP:|MIME-Version: ?1)",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD: Final = re.compile(r"^[ \t>|]*([A-Za-z][A-Za-z0-9-]{1,40}):[ \t]?(.*(?:\n[ \t>|]+\S.*)*)", re.MULTILINE)
_HTML: Final = re.compile(r"<(?:!doctype )?(?:html|head|body|p|div|table)\b", re.IGNORECASE)
_BLANKS: Final = re.compile(r"[ \t\u00a0\u3000]+")
_QP: Final = re.compile(rb"=(?:\r\n|3D|20|[EF][0-9A-F]=[89AB][0-9A-F])")


@dataclass(frozen=True, slots=True)
class Notice:
    """A message taken apart. `text` is what was written for people; `returned` the header of the message it is about."""

    header: tuple[Field, ...]
    text: str
    status: bytes  # the part of a delivery report for programs, empty without one
    feedback: bytes  # ... of a feedback report (RFC 5965)
    disposition: bytes  # ... of a disposition notification (RFC 8098)
    returned: tuple[Field, ...]
    has_returned: bool  # something of the original came back, if only its body
    inside: bytes  # the attached message as it came, empty without one


def read(content: bytes) -> Notice:
    """Take a message apart. Never raises."""
    content = _normal(content)
    header, _ = headers.split(content)
    leaves = walk(content)
    reports = {leaf.content_type: leaf.body for leaf in reversed(leaves) if leaf.content_type in _REPORTS}
    returned = next((leaf for leaf in leaves if leaf.content_type in _RETURNED), None)
    text, rest = _cut(_text(leaves, returned))
    return Notice(
        header=tuple(headers.fields(header)),
        text=text,
        status=reports.get("message/delivery-status", b"") or reports.get("message/global-delivery-status", b""),
        feedback=reports.get("message/feedback-report", b""),
        disposition=reports.get("message/disposition-notification", b"")
        or reports.get("message/global-disposition-notification", b""),
        returned=tuple(
            headers.fields(headers.split(returned.body.lstrip(b"\r\n"))[0] if returned else _as_header(rest))
        ),
        has_returned=returned is not None or bool(rest.strip()),
        inside=returned.body.lstrip(b"\r\n") if returned else b"",
    )


def _normal(content: bytes) -> bytes:
    """One kind of line end, and no envelope line of a mailbox file."""
    if content.startswith((b"From ", b">From ")):
        content = content.partition(b"\n")[2]
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def _text(leaves: list[Part], returned: Part | None) -> str:
    """The parts for people before the returned message; HTML only where there is nothing else."""
    before = leaves[: leaves.index(returned)] if returned in leaves else leaves
    plain = [leaf for leaf in before if leaf.content_type.startswith("text/") and leaf.content_type != "text/html"]
    written = "\n".join(_plain(leaf) for leaf in plain if leaf.disposition != "attachment")
    if len(written.strip()) < 3:
        written = "\n".join(_plain(leaf) for leaf in before if leaf.content_type == "text/html")
    return written


def _plain(leaf: Part) -> str:
    octets = leaf.body[: 4 * NOTICE_CHARS]
    if b"content-transfer-encoding" not in leaf.header.lower() and _QP.search(octets):
        octets = decode_transfer(octets, "quoted-printable")
    text = Part(leaf.content_type, leaf.parameters, b"", octets).text().replace("\r\n", "\n")
    if leaf.content_type == "text/html" or _HTML.match(text.lstrip()[:20]):
        text = str(extract_plain_text(text))
    return _BLANKS.sub(" ", text)[:NOTICE_CHARS]


def _cut(text: str) -> tuple[str, str]:
    """The notice, and what was returned below it."""
    ends = [found.start() for found in (_first_mark(text), _HEADER.search(text)) if found]
    end = min(ends, default=len(text))
    return text[:end], text[end:]


def _first_mark(text: str) -> re.Match[str] | None:
    """A mark with nothing above it announces nothing: it is how the notice itself begins."""
    return next((found for found in _MARK.finditer(text) if text[: found.start()].strip()), None)


def _as_header(rest: str) -> bytes:
    fields = [f"{found[1]}: {' '.join(found[2].split())}\r\n" for found in _FIELD.finditer(rest[:NOTICE_CHARS])]
    return "".join(fields[:100]).encode("utf-8", "replace")
