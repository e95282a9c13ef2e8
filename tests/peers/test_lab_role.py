"""The lab's process as it runs: mail in by SMTP, judged with real keys, read back over HTTP."""

import asyncio
import json
import smtplib
import ssl
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from free_ports import free_port
from posthouse.accounts import bootstrap
from posthouse.accounts.directory import Directory
from posthouse.lab import host
from posthouse.runtime.process import Process
from posthouse.wire import dkim

CONTENT = b"From: shop@example.com\r\nTo: anna@example.org\r\nSubject: Hi\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\nHi\r\n"


@pytest.fixture
async def lab(make_process: Callable[..., Process]) -> AsyncIterator[Process]:
    ports = {"smtp_port": free_port(), "web_port": free_port(), "broken_tls_port": free_port(), "enabled": True}
    process = make_process("lab", lab=ports)
    await bootstrap.ensure(process)
    ready = asyncio.Event()
    process.on_ready = ready.set
    task = asyncio.create_task(host.main(process))
    await asyncio.wait({asyncio.create_task(ready.wait()), task}, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), await task
    yield process
    process.stopping.set()
    async with asyncio.timeout(30):
        await task


async def get(process: Process, path: str) -> Any:
    def fetch() -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.settings.lab.web_port}{path}", timeout=10) as response:
            return json.load(response)

    return await asyncio.to_thread(fetch)


def deliver(port: int, content: bytes, *, starttls: bool) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", port, "mail.test", timeout=20) as client:
        if starttls:
            client.starttls(context=context)
        client.sendmail("b1@bounces.mail.test", ["anna@example.org"], content)


async def test_a_mail_signed_with_the_lab_key_passes_every_check(lab: Process) -> None:
    directory = Directory(lab.pool, lab.clock, lab.vault)
    workspace_id = await lab.pool.fetchval("SELECT workspace_id FROM workspaces")
    signed = dkim.sign(CONTENT, await directory.signing_keys(workspace_id, "example.com"), datetime.now(UTC)) + CONTENT
    await directory.close()
    await asyncio.to_thread(deliver, lab.settings.lab.smtp_port, signed, starttls=True)
    listed = await get(lab, "/api/messages?to=anna@example.org")
    mail = await get(lab, f"/api/messages/{listed['messages'][0]['id']}")
    assert [(each["check"], each["result"]) for each in mail["verdict"]["findings"]] == [
        ("DKIM", "pass"),
        ("DKIM", "pass"),
        ("SPF", "pass"),
        ("DMARC", "pass"),
    ]
    assert mail["tls"].startswith("TLSv1.3")


async def test_the_keys_it_publishes_are_those_it_signs_with(lab: Process) -> None:
    keys = (await get(lab, "/api/keys"))["keys"]
    assert [key["selector"] for key in keys] == ["lab", "labed"]
    assert all(key["txt"].startswith("v=DKIM1;") for key in keys)


async def test_the_second_port_offers_starttls_breaks_it_and_takes_mail_in_the_clear(lab: Process) -> None:
    port = lab.settings.lab.broken_tls_port
    with pytest.raises((ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError)):
        await asyncio.to_thread(deliver, port, CONTENT, starttls=True)
    await asyncio.to_thread(deliver, port, CONTENT, starttls=False)
    assert (await get(lab, "/api/messages"))["received"] == 1


async def posthouse_lab(process: Process, *arguments: str) -> tuple[int, bytes]:
    url = f"http://127.0.0.1:{process.settings.lab.web_port}"
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "posthouse.cli.main", "lab", *arguments, "--url", url,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        out, _ = await command.communicate()
    assert command.returncode is not None
    return command.returncode, out


async def test_the_command_waits_for_a_mail_and_shows_it_to_the_octet(lab: Process) -> None:
    waiting = asyncio.create_task(posthouse_lab(lab, "wait", "--to", "anna@example.org", "--json"))
    await asyncio.to_thread(deliver, lab.settings.lab.smtp_port, CONTENT, starttls=False)
    code, out = await waiting
    assert code == 0
    number = str(json.loads(out)["id"])
    assert (await posthouse_lab(lab, "show", number, "--raw")) == (0, CONTENT)
    code, out = await posthouse_lab(lab, "messages", "--to", "anna", "--json")
    assert [str(mail["id"]) for mail in json.loads(out)] == [number]


async def test_the_command_fails_with_1_when_no_mail_came_in_time(lab: Process) -> None:
    assert await posthouse_lab(lab, "wait", "--to", "nobody@example.org", "--timeout", "0") == (1, b"")
