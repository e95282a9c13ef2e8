"""The same mail once more: another Message-ID and Date, and nothing else."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from posthouse.content.stamp import restamp, stamp
from posthouse.model.words import MailClass
from posthouse.wire.addresses import Mailbox

ID = UUID("0193a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b")
FRESH = stamp(ID, Mailbox("ann@example.com"), MailClass.TRANSACTIONAL, 7, datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
ON_TOP = f"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{ID}@example.com>\r\n".encode()
BODY = b"\r\nLine \r\n\r\nDate: in the body\r\nMessage-ID: <body@x>\r\n\xff"


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b"Date: x\r\nFrom: a@b\r\nMessage-ID: <1@x>\r\n", b"From: a@b\r\n"),
        (b"message-id :\r\n <1@x>\r\nFrom:  a@b\r\nDATE: x\r\n\ty\r\n", b"From:  a@b\r\n"),
        (b"Received: by us\r\n with x\r\nFrom: a@b\r\n", b"Received: by us\r\n with x\r\nFrom: a@b\r\n"),
        (b"Resent-Date: x\r\nReferences: <1@x>\r\n", b"Resent-Date: x\r\nReferences: <1@x>\r\n"),
        (b"Date: x\r\n", b""),
    ],
)
def test_only_message_id_and_date_are_new(header: bytes, kept: bytes) -> None:
    assert restamp(header + BODY, FRESH) == ON_TOP + kept + BODY
