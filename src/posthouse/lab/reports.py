"""What receivers send back later: a report of failure (RFC 3464), a complaint (RFC 5965), an automatic reply (RFC 3834).

They travel the real way, by SMTP to the product's own port 25, addressed to the signed return path or to the address that the
CFBL-Address field (RFC 9477) names, so that nothing but what a stranger could know is used.
"""

import asyncio
import secrets
import smtplib
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime

import structlog

from posthouse.lab.behaviours import Act
from posthouse.lab.mailbox import Received
from posthouse.model.limits import LAB_REPORTS_WAITING
from posthouse.wire import arf, dsn, headers

_log = structlog.get_logger(__name__)
REPORTER = "mx.lab.test"
_SEND_TIMEOUT_S = 30.0


class Postman:
    """Sends reports `delay_s` after their mail, each in a task of its own; at most LAB_REPORTS_WAITING wait at a time."""

    def __init__(self, inbound: tuple[str, int], now: Callable[[], datetime]) -> None:
        self._inbound, self._now = inbound, now
        self._waiting: set[asyncio.Task[None]] = set()

    def after(self, act: Act, received: Received, recipient: str, delay_s: int) -> None:
        """Send what `act` calls for; nothing for a mail without a return path (RFC 5321 4.5.5), as that is how loops start."""
        if not received.mail_from or len(self._waiting) >= LAB_REPORTS_WAITING:
            return
        task = asyncio.create_task(self._deliver(act, received, recipient, delay_s))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """Forget what is waiting."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _deliver(self, act: Act, received: Received, recipient: str, delay_s: int) -> None:
        await asyncio.sleep(delay_s)
        to = complaint_address(received.header) or received.mail_from if act is Act.COMPLAIN else received.mail_from
        content = report(act, received, recipient, to, self._now(), secrets.token_bytes(16))
        try:
            await asyncio.to_thread(_send, self._inbound, to, content)
        except (OSError, smtplib.SMTPException) as problem:
            _log.warning("lab_report_not_sent", act=act.name, problem=str(problem))


def report(act: Act, received: Received, recipient: str, to: str, now: datetime, entropy: bytes) -> bytes:
    """The message a receiver would send for `act`."""
    if act is Act.COMPLAIN:
        return arf.write(_complaint(received, recipient), f"fbl@{REPORTER}", to, now, entropy)
    if act is Act.LATE_REPORT:
        return dsn.write(_failure(received, recipient), f"MAILER-DAEMON@{REPORTER}", to, now, entropy)
    return _out_of_office(received, recipient, to, now, entropy)


def complaint_address(header: bytes) -> str | None:
    """The address in CFBL-Address (RFC 9477 3.1), without its `report=` parameter."""
    value = headers.first(header, "cfbl-address")
    return headers.decode(value).partition(";")[0].strip() if value is not None else None


def _failure(received: Received, recipient: str) -> dsn.Report:
    return dsn.Report(
        reporting_mta=REPORTER,
        envelope_id="",
        recipients=(
            dsn.RecipientReport(
                original_recipient=recipient,
                final_recipient=recipient,
                action="failed",
                status="5.1.1",
                diagnostic="550 5.1.1 No such user behind this relay",
                remote_mta="inner.lab.test",
            ),
        ),
        original_header=received.header,
        original_message_id=received.field("message-id"),
    )


def _complaint(received: Received, recipient: str) -> arf.Complaint:
    return arf.Complaint(
        feedback_type="abuse",
        user_agent="PosthouseLab/1.0",
        original_mail_from=received.mail_from,
        original_rcpt_to=recipient,
        source_ip=received.peer,
        reported_domain=received.mail_from.rpartition("@")[2],
        original_header=received.header,
        original_message_id=received.field("message-id"),
    )


def _out_of_office(received: Received, recipient: str, to: str, now: datetime, entropy: bytes) -> bytes:
    fields = (
        f"From: <{recipient}>",
        f"To: <{to}>",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{entropy.hex()}@{REPORTER}>",
        f"In-Reply-To: {received.field('message-id')}",
        "Subject: Automatic reply: out of office",
        "Auto-Submitted: auto-replied",
        "",
        "I am away and will answer when I am back.",
        "",
    )
    return "\r\n".join(fields).encode()


def _send(inbound: tuple[str, int], to: str, content: bytes) -> None:
    with smtplib.SMTP(*inbound, local_hostname=REPORTER, timeout=_SEND_TIMEOUT_S) as client:
        client.sendmail("", [to], content)
