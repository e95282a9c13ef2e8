"""The submission role with a real database: who may log in, who may send as whom, what is promised and what refused."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable

import pytest

from free_ports import free_port
from posthouse.accounts import changes, credentials, login_failures
from posthouse.accounts.credentials import Issued
from posthouse.accounts.login_attempts import Reason
from posthouse.accounts.login_failures import LoginFailure, Wanted
from posthouse.accounts.terms import CredentialKind, Terms
from posthouse.model import limits
from posthouse.model.words import Scope
from posthouse.runtime.process import Process
from submission_role import Role, running

MESSAGE = "From: shop@example.com\r\nTo: anna@example.org\r\nSubject: Receipt\r\n\r\nThank you.\r\n"


@pytest.fixture
async def role(make_process: Callable[..., Process]) -> AsyncIterator[Role]:
    """As `posthouse up --lab` runs it, but without the credential bound to loopback."""
    ports = {"port": free_port(), "tls_port": free_port(), "host": "127.0.0.1", "auth_without_tls": True}
    process = make_process("submission", submission=ports, lab={"enabled": True})
    async with running(process) as role:
        await _revoke_networks(role)
        yield role


async def _revoke_networks(role: Role) -> None:
    async with changes.making(role.process, role.known.workspace_id, "test") as change:
        for credential in await credentials.listing(change.connection, role.known.workspace_id):
            if credential.without_auth:
                await credentials.revoke(change, credential.credential_id)


async def _issue(role: Role, terms: Terms) -> Issued:
    async with changes.making(role.process, role.known.workspace_id, "test") as change:
        issued = await credentials.create(change, CredentialKind.SMTP, terms)
    assert isinstance(issued, Issued)
    return issued


def send(client: smtplib.SMTP, message: str = MESSAGE, mail_from: str = "shop@example.com") -> tuple[int, str]:
    client.ehlo_or_helo_if_needed()
    for code, reply in (client.mail(mail_from), client.rcpt("anna@example.org")):
        if code != 250:
            return code, reply.decode()
    code, reply = client.data(message.encode())
    return code, reply.decode()


async def test_250_names_the_message_that_was_committed(role: Role) -> None:
    def act(client: smtplib.SMTP) -> tuple[int, str]:
        role.login(client)
        return send(client)

    code, reply = await role.ask(act)  # type: ignore[misc]
    assert code == 250
    message_id = reply.rpartition(" ")[2]
    row = await role.process.pool.fetchrow(
        "SELECT source, sender, subject, priority FROM messages WHERE message_id = $1::uuid", message_id
    )
    assert tuple(row) == ("smtp", "shop@example.com", "Receipt", 4)


async def test_nobody_relays_without_a_login(role: Role) -> None:
    assert await role.ask(send) == (530, "5.7.0 Authentication required")
    assert await role.process.pool.fetchval("SELECT count(*) FROM messages") == 0


async def test_a_credential_bound_to_the_network_stands_in_for_a_login(role: Role) -> None:
    terms = Terms("office", frozenset({Scope.SEND}), networks=("127.0.0.0/8",), without_auth=True)
    await _issue(role, terms)
    await asyncio.sleep(0)
    code, reply = await _until_not(530, lambda: role.ask(send))
    assert (code, reply[:5]) == (550, "5.7.1")  # known, but example.com is not its domain


async def _until_not(code: int, ask: Callable[[], object]) -> tuple[int, str]:
    """The change reaches the role by a notification of the database; ask until it has."""
    async with asyncio.timeout(30):
        while (answer := await ask())[0] == code:  # noqa: ASYNC110  # type: ignore[misc, index]
            await asyncio.sleep(0.02)
    return answer  # type: ignore[no-any-return]


async def test_mail_from_and_from_must_be_of_a_verified_domain(role: Role) -> None:
    issued = await _issue(role, Terms("shop", frozenset({Scope.SEND})))

    def act(client: smtplib.SMTP) -> tuple[tuple[int, str], tuple[int, str]]:
        client.login(issued.credential.hint, issued.secret)
        first = send(client)
        client.rset()
        return first, send(client, mail_from="")

    by_envelope, by_header = await role.ask(act)  # type: ignore[misc]
    assert by_envelope[0] == by_header[0] == 550
    assert by_envelope[1].startswith("5.7.1 example.com is not a verified sending domain")
    assert by_header[1].startswith("5.7.1 example.com is not a verified sending domain")


async def test_a_wrong_password_is_535_and_many_of_them_454(role: Role) -> None:
    def act(client: smtplib.SMTP) -> tuple[int, str]:
        client.login(role.known.smtp_user, "wrong")
        raise AssertionError("a wrong password was taken")

    codes = [(await role.ask(act))[0] for _ in range(12)]  # type: ignore[index]
    assert set(codes[:2]) == {535}
    assert codes[-1] in {454, 421}
    async with asyncio.timeout(30):
        while not (failures := await _login_failures(role)) or failures[0].attempts < limits.AUTH_BURST:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    (failure,) = failures  # the client tries both mechanisms each time; what was turned away without a look is none
    assert (failure.account, failure.source, failure.reason) == (role.known.smtp_user, "127.0.0.1", Reason.WRONG)
    assert failure.attempts == limits.AUTH_BURST


async def _login_failures(role: Role) -> list[LoginFailure]:
    return await login_failures.listing(role.process.pool, role.known.workspace_id, Wanted(), None, 10)


async def test_a_revoked_credential_ends_an_open_session_at_its_next_mail(role: Role) -> None:
    issued = await _issue(role, Terms("temp", frozenset({Scope.SEND})))
    loop = asyncio.get_running_loop()

    async def revoke() -> None:
        async with changes.making(role.process, role.known.workspace_id, "test") as change:
            await credentials.revoke(change, issued.credential.credential_id)

    def act(client: smtplib.SMTP) -> int:
        client.login(issued.credential.hint, issued.secret)
        asyncio.run_coroutine_threadsafe(revoke(), loop).result(10)
        for _ in range(400):
            code, _ = client.mail("shop@example.com")
            if code == 421:
                return code
        return code

    assert await role.ask(act) == 421


async def test_auth_is_not_offered_in_the_clear_outside_the_lab(make_process: Callable[..., Process]) -> None:
    ports = {"port": free_port(), "tls_port": free_port(), "host": "127.0.0.1"}
    process = make_process("submission", submission=ports, lab={"enabled": True})
    async with running(process) as role:
        await _revoke_networks(role)

        def plain(client: smtplib.SMTP) -> str:
            client.ehlo()
            return client.esmtp_features.get("auth", "none")

        assert await role.ask(plain) == "none"
        code, _ = await role.ask(lambda client: (role.login(client), send(client))[1], starttls=True)  # type: ignore[misc]
        assert code == 250
