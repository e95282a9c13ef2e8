"""Which of the addresses in a notice are those that did not get the mail, and what is said about each. Pure.

Systems that write no fields still write addresses in few ways: alone on a line, before a colon or a reason, inside an SMTP reply, or
in a sentence about what failed. The clearest way found decides, and what is written less clearly is left out. Addresses that
people are told to write to, and that of the sender who reads the notice, are none.
"""

import re
from collections.abc import Collection, Iterator
from enum import IntEnum
from itertools import islice
from typing import Final, NamedTuple

from posthouse.model.limits import NOTICE_RECIPIENTS

_ATOM: Final = r"[^\s<>()\[\]\\,;:@\"\x00-\x1f（）《》「」【】：；，。、“”]"
# A domain in plain letters ends where they do: in Japanese or Chinese the next word follows without a blank.
_PLAIN: Final = r"(?:[A-Za-z0-9_-]{1,63}+\.)*[A-Za-z0-9_-]{1,63}+(?![\u00c0-\u052f])"
_LABEL: Final = r"[\w\u2190-\u2bff\U0001f000-\U0001faff-]{1,63}+"
# Begun only where a word begins, so that a long line without blanks is read once.
ADDRESS: Final = re.compile(
    rf"(?:\"[^\"\n@]{{1,64}}\"|(?<!{_ATOM}){_ATOM}{{1,128}})@(?:{_PLAIN}|(?:{_LABEL}\.)*{_LABEL})"
)
_ASSIGNED: Final = re.compile(r"^(?:to|rcpt|for|addr|orig_to|recipient|user)=(?=[^=]+@)", re.IGNORECASE)
_ALONE: Final = re.compile(r"[\s>*\-–•·|=.:#\[\]()\d]{0,40}[<\"'(\[]*")
_AFTER_CODE: Final = re.compile(r"\s*\d{3}[ -]")
_NO_ADDRESS_FOLLOWS: Final = ("mailto:", "message-id:", "from:", "id")
_ENDING: Final = re.compile(
    r"^[>\])\"'|]*\s*(?:$|[:;,.\[(\-–|<#=]|\.\.\.|on \d|failed|reason|does not|did not|could not|cannot|was not|is not|\(|said|"
    r"unknown|not found|user|mailbox|no such|over|quota|invalid|rejected|expired|undeliverable|unable|error|host|delivery|"
    r"\d{3}\b|[45]\.\d)",
    re.IGNORECASE,
)
_LABELLED: Final = re.compile(
    r"(?:final[- ]recipient|original[- ]recipient|failed recipient|intended recipient|recipients?(?: address)?|to|rcpt to|"
    r"envelope[- ]to|address(?:es)?|error-for|user|mailbox|email(?: address)?|destinataire|destinatario|destinatário|empfänger|"
    r"ontvanger|modtager|mottagare|mottaker|odbiorca|адрес|получатель|收件人|宛先|수신자|failed|for)"
    r"(?:\(s\)|\(es\))?\s*[:=>\-]+\s*(?:rfc822\s*;|smtp\s*;|utf-8\s*;|\[?smtp:)?\s*[<\"'\[(]*$",
    re.IGNORECASE,
)
_NOT_RECIPIENT: Final = re.compile(
    r"^\W*(?:from|sender|reply-to|return-path|message-id|errors-to|cc|subject|x-[\w-]+|references|in-reply-to|list-[\w-]+|mail from|von|de|van|"
    r"отправитель|差出人|送信者|发件人|寄件者|보낸)\s*[:=(<]|message-?id|mail from:|"
    r"contact|question|assistance|for help|further (?:help|information)|please (?:e-?mail|write|send)|reply to|support|complain|report (?:this|it)|"
    r"if you (?:feel|believe|think|have|need)|administrator at|postmaster at|help ?desk|hesitate|envelope-sender|sent by|on behalf|"
    r"authenticated|mail_from|from[:=]? ?<|sender[:=]? ?<|sender address|wenden sie|contactez|contacte|contatt",
    re.IGNORECASE,
)
# Even in a reply of a server or a sentence about what failed: whom to write to about it, and who wrote.
_SOMEBODY_ELSE: Final = re.compile(
    r"(?:contact(?: us at| to)?|write to|error to|report to|e-?mail to|complain(?:ts)? to|assistance,? \S* ?\S* ?\S*|sent by|proveniente da|inviato da|"
    r"envoyé par|enviado por|gesendet von|wysłan[ya] przez|odeslan[áý])\W*$",
    re.IGNORECASE,
)
_FAILING: Final = re.compile(
    r"deliver|recipient|rcpt|address|mailbox|reach|user|send|message to|mail to|fail|reject|unknown|invalid|exist|quota|full|zustell|empf|"
    r"destinat|remis|envi|entreg|consegn|bezorg|aflever|lever|dostarcz|doruč|kézbes|teslim|ulet|достав|адрес|届|宛|配信|送達|投递|無法|无法|退信|전송|배달",
    re.IGNORECASE,
)
_SMTP: Final = re.compile(r"\b[2-5]\d\d[ -]|\brcpt to\b|\.\.\. ", re.IGNORECASE)
_LINE_CHARS: Final = 2_000
_LINE_ADDRESSES: Final = 100
_NEAR_CHARS: Final = 200
_OFFICES: Final = frozenset(
    {
        "postmaster",
        "mailer-daemon",
        "mailerdaemon",
        "mail-daemon",
        "abuse",
        "helpdesk",
        "hostmaster",
        "webmaster",
        "noc",
    }
)


class Way(IntEnum):
    """How an address is written, the clearest first."""

    LISTED = 0
    LABELLED = 1
    SMTP = 2
    SENTENCE = 3
    ANYWHERE = 4


class Named(NamedTuple):
    """An address in a notice: how it was written, and the line and character where it stands."""

    address: str
    way: Way
    start: int


class About(NamedTuple):
    """A recipient with what is said about it: from where it is named to where the next one is."""

    address: str
    text: str


def recipients(text: str, sender: Collection[str]) -> list[About]:
    """The recipients a notice is about, in order, each once. `sender` are addresses of those the notice is for, in lower case."""
    named = _named(text)
    ours = [each for each in named if each.address.lower() not in sender and not _is_office(each.address)]
    chosen = _clearest(ours) or _clearest([each for each in named if each.way <= Way.SMTP])
    return _with_text(text, chosen)


def _named(text: str) -> list[Named]:
    found: list[Named] = []
    position = 0
    for line in text.split("\n"):
        if "@" in line and len(found) < NOTICE_RECIPIENTS:
            found += _in_line(line, position)
        position += len(line) + 1
    return found


def _in_line(line: str, position: int) -> Iterator[Named]:
    line = line[:_LINE_CHARS]
    spoken = _SMTP.search(line) is not None
    if _NOT_RECIPIENT.search(line) and not spoken:
        return
    elsewhere = Way.SMTP if spoken else Way.SENTENCE if _FAILING.search(line) else Way.ANYWHERE
    for found in islice(ADDRESS.finditer(line), _LINE_ADDRESSES):
        before, after = line[max(0, found.start() - _NEAR_CHARS) : found.start()], line[found.end() :][:_NEAR_CHARS]
        address = _ASSIGNED.sub("", found[0].strip("'.`*|{}&-")).rstrip(".-_")
        elsewhere_told = before.rstrip("<[ (").lower().endswith(_NO_ADDRESS_FOLLOWS) or _SOMEBODY_ELSE.search(
            before[-60:]
        )
        if _is_address(address) and not elsewhere_told:
            yield Named(address, _way(before, after, elsewhere), position + found.start())


def _way(before: str, after: str, elsewhere: Way) -> Way:
    if elsewhere is not Way.SMTP and _LABELLED.search(before):
        return Way.LABELLED
    if _ALONE.fullmatch(before) and not _AFTER_CODE.match(before) and _ENDING.match(after):
        return Way.LISTED
    return elsewhere


def _clearest(named: list[Named]) -> list[Named]:
    best = min((each.way for each in named), default=None)
    return [each for each in named if each.way is best]


def _with_text(text: str, chosen: list[Named]) -> list[About]:
    """Each once. What is said where it is named last belongs to it too, since lists come before reasons."""
    about: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for index, each in enumerate(chosen):
        after = chosen[index + 1].start if index + 1 < len(chosen) else len(text)
        key = each.address.lower()
        spelled.setdefault(key, each.address)
        begin = text.rfind("\n", 0, each.start) + 1
        about.setdefault(key, []).append(text[begin:after])
    return [About(spelled[key], "\n".join(said)) for key, said in about.items()]


def _is_office(address: str) -> bool:
    return address.partition("@")[0].lower() in _OFFICES


def _is_address(address: str) -> bool:
    local, _, domain = address.rpartition("@")
    return bool(local) and bool(domain) and len(address) <= 254 and not domain.isdigit()
