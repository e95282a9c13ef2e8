"""The mails that are sent, byte for byte the same in every run. Pure."""

import json
from collections.abc import Callable
from typing import Final

SENDER: Final = "bench@bench.test"
TIMED: Final = "timed-"
MAIL_OCTETS: Final = 5_000
BACKLOG_OCTETS: Final = 1_024

_LINE: Final = "The quick brown fox jumps over the lazy dog, and then once more for {:06d}.\r\n"


def text(octets: int) -> str:
    """Lines of about 76 octets, each different, so that compression finds no more in it than in prose."""
    lines = "".join(_LINE.format(number * 7_919 % 1_000_003) for number in range(octets // 70 + 1))
    return lines[: max(octets - 2, 0)] + "\r\n"


def message(number: int, to: str, body: str) -> bytes:
    """A complete message (RFC 5322), dot-stuffing not needed."""
    head = (
        f"From: Bench <{SENDER}>\r\nTo: <{to}>\r\nSubject: Message {number}\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n"
        f"Message-ID: <{number}@bench.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    return (head + body).encode()


def envelopes(domain: str, octets: int = MAIL_OCTETS) -> Callable[[int], tuple[bytes, bytes]]:
    """Of the n-th mail: the pipelined commands up to DATA, and the content with its final dot."""
    body = text(octets - 250)  # what the header takes

    def envelope(number: int) -> tuple[bytes, bytes]:
        to = f"user-{number}@{domain}"
        commands = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()
        return commands, message(number, to, body) + b".\r\n"

    return envelope


def posted(domain: str, octets: int = MAIL_OCTETS, **fields: object) -> Callable[[str], bytes]:
    """The JSON of one API message to a local part; `fields` are further fields of the message."""
    message = {
        "from": SENDER,
        "to": f"@TO@@{domain}",
        "subject": "Message @TO@",
        "text": text(octets - 250),
        **fields,
    }
    pieces = json.dumps(message).encode().split(b"@TO@")
    return lambda local_part: local_part.encode().join(pieces)
