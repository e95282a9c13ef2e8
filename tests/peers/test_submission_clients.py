"""Real clients hand mail to a running submission role: swaks, smtplib, nodemailer, smtp-source. What they sent is what is kept."""

import asyncio
import email.policy
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path

import pytest

from free_ports import free_port
from posthouse.accounts.directory import Directory
from posthouse.intake.contents import content
from posthouse.runtime.process import Process
from posthouse.wire import headers
from submission_role import Role, running

SENDER, RECIPIENT = "shop@example.com", "anna@example.org"
NODEMAILER = Path(__file__).parent / "nodemailer"


@pytest.fixture
async def role(make_process: Callable[..., Process]) -> AsyncIterator[Role]:
    """As `posthouse up --lab` runs it: loopback needs no login."""
    ports = {"port": free_port(), "tls_port": free_port(), "host": "127.0.0.1", "auth_without_tls": True}
    async with running(make_process("submission", submission=ports, lab={"enabled": True})) as role:
        yield role


async def run(*command: str, cwd: Path | None = None, stdin: bytes = b"") -> tuple[int, str]:
    """Run a peer to its end, at most a minute."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is not installed")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(60):
            out, _ = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode(errors="replace")


async def kept(role: Role) -> bytes:
    """The content of the only message there is."""
    rows = await role.process.pool.fetch("SELECT workspace_id, message_id FROM messages")
    assert len(rows) == 1
    directory = Directory(role.process.pool, role.process.clock, role.process.vault)
    found = await content(role.process, directory, *rows[0])
    await directory.close()
    assert found is not None
    return found


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["--tls", "--tls-on-connect", ""])
async def test_swaks_logs_in_and_sends(role: Role, mechanism: str, tls: str) -> None:
    settings = role.process.settings.submission
    port = settings.tls_port if tls == "--tls-on-connect" else settings.port
    code, out = await run(
        "swaks", "--server", "127.0.0.1", "--port", str(port), *([tls] if tls else []), "--auth", mechanism,
        "--auth-user", role.known.smtp_user, "--auth-password", role.known.smtp_password,
        "--from", SENDER, "--to", RECIPIENT, "--header", "Subject: by swaks",
    )  # fmt: skip
    assert code == 0, out
    assert "235 2.7.0" in out
    received = (headers.first(headers.split(await kept(role))[0], "Received") or b"").decode()
    assert ("with ESMTPSA" if tls else "with ESMTPA") in received


async def test_swaks_with_a_wrong_password_is_turned_away(role: Role) -> None:
    code, out = await run(
        "swaks", "--server", "127.0.0.1", "--port", str(role.port), "--tls", "--auth", "PLAIN", "--auth-user",
        role.known.smtp_user, "--auth-password", "wrong", "--from", SENDER, "--to", RECIPIENT,
    )  # fmt: skip
    assert code != 0
    assert "535 5.7.8" in out


async def test_smtp_source_sends_a_hundred_over_ten_connections(role: Role) -> None:
    code, out = await run(
        "smtp-source",
        "-s",
        "10",
        "-m",
        "100",
        "-l",
        "5000",
        "-f",
        SENDER,
        "-t",
        RECIPIENT,
        "-d",
        f"127.0.0.1:{role.port}",
    )
    assert code == 0, out
    assert await role.process.pool.fetchval("SELECT count(*) FROM messages") == 100


def _smtplib_send(role: Role, message: bytes, *, implicit: bool) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    settings = role.process.settings.submission
    if implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL("127.0.0.1", settings.tls_port, context=context, timeout=20)
    else:
        client = smtplib.SMTP("127.0.0.1", settings.port, timeout=20)
        client.starttls(context=context)
    with client:
        role.login(client)
        assert client.sendmail(SENDER, [RECIPIENT], message) == {}


def _newsletter() -> bytes:
    """Text, HTML with an inline image, a calendar part and an attachment, as a mail program writes them."""
    message = EmailMessage(email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = f"Shop <{SENDER}>", RECIPIENT, "Kære Åse"
    message["Date"], message["Message-ID"] = "Sat, 21 Nov 2026 12:00:00 +0000", "<newsletter.1@example.com>"
    message.set_content("Hello\n.\n..two dots\nFrom here\n")
    message.add_alternative('<p>Hej <img src="cid:logo@x"></p>', subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "image", "png", cid="<logo@x>")  # type: ignore[union-attr]
    calendar = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Møde\r\nEND:VCALENDAR\r\n"
    message.add_alternative(calendar, subtype="calendar", params={"method": "REQUEST"})
    message.add_attachment(bytes(range(256)) * 40, "application", "pdf", filename="faktura æ.pdf")
    return message.as_bytes()


@pytest.mark.parametrize("implicit", [False, True])
async def test_what_smtplib_sent_is_kept_to_the_octet_below_our_own_fields(role: Role, implicit: bool) -> None:
    message = _newsletter()
    await asyncio.to_thread(_smtplib_send, role, message, implicit=implicit)
    found = await kept(role)
    assert found.endswith(message)
    added = headers.fields(found[: -len(message)])
    assert [field.name for field in added] == [b"received", b"feedback-id"]


async def test_an_smime_signature_still_verifies(role: Role, tmp_path: Path) -> None:
    await run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Shop/emailAddress=shop@example.com",
              "-addext", "extendedKeyUsage=emailProtection", "-keyout", "key.pem", "-out", "cert.pem", cwd=tmp_path)  # fmt: skip
    (tmp_path / "part").write_bytes(b"Content-Type: text/plain; charset=utf-8\r\n\r\nSigned words, trailing space \r\n")
    code, out = await run(
        "openssl", "cms", "-sign", "-in", "part", "-signer", "cert.pem", "-inkey", "key.pem",
        "-from", SENDER, "-to", RECIPIENT, "-subject", "signed", "-out", "signed.eml", cwd=tmp_path,
    )  # fmt: skip
    assert code == 0, out
    signed = (tmp_path / "signed.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    await asyncio.to_thread(_smtplib_send, role, signed, implicit=False)
    (tmp_path / "kept.eml").write_bytes(await kept(role))
    code, out = await run(
        "openssl", "cms", "-verify", "-in", "kept.eml", "-CAfile", "cert.pem", "-out", "verified", cwd=tmp_path
    )
    assert code == 0, out
    assert (tmp_path / "verified").read_bytes() == (tmp_path / "part").read_bytes()


@pytest.fixture(scope="session")
def nodemailer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script with its pinned dependency, installed beside a copy of it."""
    folder = tmp_path_factory.mktemp("nodemailer")
    for name in ("package.json", "package-lock.json", "send.js"):
        shutil.copy(NODEMAILER / name, folder / name)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, timeout=100)
    return folder


@pytest.mark.parametrize("secure", ["starttls", "implicit"])
async def test_nodemailer_sends_html_with_an_inline_image_and_an_attachment(
    role: Role, nodemailer: Path, secure: str
) -> None:
    settings = role.process.settings.submission
    port = settings.tls_port if secure == "implicit" else settings.port
    code, out = await run(
        "node",
        "send.js",
        str(port),
        secure,
        role.known.smtp_user,
        role.known.smtp_password,
        SENDER,
        RECIPIENT,
        cwd=nodemailer,
    )
    assert code == 0, out
    assert "250 2.0.0 Accepted as " in out
    row = await role.process.pool.fetchrow("SELECT tags, metadata, subject FROM messages")
    assert (row["tags"], row["metadata"], row["subject"]) == (["receipt"], {"order": "17"}, "Kvittering æøå")
    assert b"Content-Type: image/png; name=dot.png" in await kept(role)
