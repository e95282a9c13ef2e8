"""Login failures on a real PostgreSQL: they come to whom they are meant for and to nobody else, bounded, without what was tried."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import ManualClock

from posthouse.accounts import alerts, changes, credentials, guessing, login_failures, sign_in, users, workspaces
from posthouse.accounts.credentials import CredentialKind, Issued, Terms
from posthouse.accounts.directory import Directory
from posthouse.accounts.login_attempts import LoginDoor, Reason
from posthouse.accounts.login_failures import LoginFailure, Wanted
from posthouse.accounts.sign_in import Gate, Wrong
from posthouse.accounts.users import Member
from posthouse.accounts.workspaces import Workspace
from posthouse.delivery import worker
from posthouse.exports import files, jobs, running
from posthouse.exports.jobs import Export, State, Wish
from posthouse.exports.sources import What
from posthouse.exports.writing import Format
from posthouse.model import limits
from posthouse.model.words import Role, Scope
from posthouse.runtime.ids import Ids
from posthouse.runtime.process import Process

PASSWORD = "correct horse battery"
ALL = Wanted()


async def new_workspace(process: Process, name: str) -> Workspace:
    async with changes.making(process, process.ids.new(), "cli:test") as change:
        return await workspaces.create(change, name)


async def new_member(process: Process, workspace: Workspace, email: str) -> Member:
    async with changes.making(process, workspace.workspace_id, "cli:test", operator=True) as change:
        member = await users.create(change, email, "", Role.ADMIN)
        assert isinstance(member, Member)
        assert await users.set_password(change, member.user.user_id, PASSWORD) == ()
    return member


async def issue(process: Process, workspace: Workspace, kind: CredentialKind, *networks: str) -> Issued:
    async with changes.making(process, workspace.workspace_id, "cli:test") as change:
        issued = await credentials.create(change, kind, Terms("Shop", frozenset({Scope.SEND}), networks=networks))
    assert isinstance(issued, Issued), issued
    return issued


@pytest.fixture
def process(make_process: Callable[..., Process], clock: ManualClock) -> Process:
    return replace(make_process("web"), clock=clock, ids=Ids(clock))


@pytest.fixture
async def workspace(process: Process) -> Workspace:
    return await new_workspace(process, "Shop")


@pytest.fixture
async def directory(process: Process) -> AsyncIterator[Directory]:
    async with Directory.open(process) as directory:
        yield directory


async def kept(process: Process, workspace: Workspace, wanted: Wanted = ALL) -> list[LoginFailure]:
    return await login_failures.listing(process.pool, workspace.workspace_id, wanted, None, 100)


async def told(process: Process, workspace: Workspace) -> set[tuple[str, str, str, str, int]]:
    return {
        (each.door, each.account, each.source, each.reason, each.attempts) for each in await kept(process, workspace)
    }


def mistaken(secret: str) -> str:
    """The same with another end, as a typing error has it."""
    return secret[:-1] + ("a" if secret[-1] != "a" else "b")


async def test_a_key_is_told_of_with_what_was_wrong_and_what_names_nobody_is_not(process, workspace, directory) -> None:
    bound = await issue(process, workspace, CredentialKind.API_KEY, "198.51.100.0/24")
    old = await issue(process, workspace, CredentialKind.API_KEY)
    async with changes.making(process, workspace.workspace_id, "cli:test") as change:
        await credentials.revoke(change, old.credential.credential_id)
    stranger = f"ph_{workspace.number}_" + "z" * 32
    for key in (
        mistaken(bound.secret),
        mistaken(bound.secret),
        bound.secret,
        old.secret,
        stranger,
        "nonsense",
        "ph_999_" + "z" * 32,
    ):
        assert await directory.by_api_key(key, "192.0.2.1") is None
    assert await directory.by_api_key(bound.secret, "198.51.100.7") is not None
    await directory.close()
    assert await told(process, workspace) == {
        ("api", bound.credential.hint, "192.0.2.1", "wrong_secret", 2),
        ("api", bound.credential.hint, "192.0.2.1", "network", 1),
        ("api", old.credential.hint, "192.0.2.1", "revoked", 1),
    }
    counted = process.metrics.render().decode()
    assert 'posthouse_logins_refused_total{account="known",door="api"} 4.0' in counted
    assert 'posthouse_logins_refused_total{account="unknown",door="api"} 3.0' in counted


async def test_an_smtp_login_is_told_of_in_its_own_workspace_alone(process, workspace, directory) -> None:
    other = await new_workspace(process, "Bank")
    ours, theirs = [await issue(process, each, CredentialKind.SMTP) for each in (workspace, other)]
    for name in (ours.credential.hint, ours.credential.hint.replace("-", "-z")[:-1], "root", "ann@x.test"):
        assert await directory.by_smtp_login(name, "guessed", "2001:db8:7::25") is None
    assert await directory.by_smtp_login(theirs.credential.hint, ours.secret, "192.0.2.9") is None
    await directory.close()
    assert await told(process, workspace) == {("smtp", ours.credential.hint, "2001:db8:7::/64", "wrong_secret", 1)}
    assert await told(process, other) == {("smtp", theirs.credential.hint, "192.0.2.9", "wrong_secret", 1)}


async def test_a_wrong_password_is_told_of_in_every_workspace_of_the_person(
    process, workspace, directory, clock
) -> None:
    other, third = await new_workspace(process, "Bank"), await new_workspace(process, "Club")
    ann = await new_member(process, workspace, "ann@x.test")
    await new_member(process, other, "ann@x.test")
    ben = await new_member(process, third, "ben@x.test")
    gate = Gate(process, directory.turned_away)
    async with changes.making(process, third.workspace_id, "cli:test") as change:
        link = await sign_in.new_link(change, ben.user.user_id)
        await users.disable(change, ben.user.user_id)
    assert isinstance(link, str)
    for email in ("ANN@x.test", "ann@x.test", "eve@x.test", "ann@x.test\0", "", "a" * 300 + "@x.test"):
        assert await gate.by_password(email, "guessed it", "192.0.2.1") is Wrong.WRONG
    assert await gate.by_password("ben@x.test", PASSWORD, "192.0.2.1") is Wrong.WRONG
    assert await gate.by_link("no such link", "192.0.2.1") is Wrong.WRONG
    await directory.close()
    line = ("pages", ann.user.email, "192.0.2.1", "wrong_secret", 2)
    assert [await told(process, each) for each in (workspace, other)] == [{line}, {line}]
    assert await told(process, third) == {("pages", "ben@x.test", "192.0.2.1", "disabled", 1)}
    assert isinstance(await gate.by_password("ann@x.test", PASSWORD, "192.0.2.1"), sign_in.Cookie)
    await directory.close()
    assert await told(process, workspace) == {line}, "who gets in is no failure"


async def test_a_link_that_is_too_old_is_told_of(process, workspace, directory, clock) -> None:
    ann = await new_member(process, workspace, "ann@x.test")
    async with changes.making(process, workspace.workspace_id, "cli:test") as change:
        link = await sign_in.new_link(change, ann.user.user_id)
    assert isinstance(link, str)
    clock.advance(limits.SIGN_IN_LINK_LIFETIME_S + 1)
    assert await Gate(process, directory.turned_away).by_link(link, "192.0.2.1") is Wrong.WRONG
    await directory.close()
    assert await told(process, workspace) == {("pages", "ann@x.test", "192.0.2.1", "expired", 1)}


async def test_what_was_tried_is_nowhere_in_the_row(process, workspace, directory, owner) -> None:
    key = await issue(process, workspace, CredentialKind.API_KEY)
    login = await issue(process, workspace, CredentialKind.SMTP)
    tried = mistaken(key.secret)
    await directory.by_api_key(tried, "192.0.2.1")
    await directory.by_smtp_login(login.credential.hint, "a secret of hers", "192.0.2.1")
    await directory.close()
    rows = "".join(str(tuple(row)) for row in await owner.fetch("SELECT f::text FROM login_failures f"))
    assert rows.count("wrong_secret") == 2
    assert tried[-20:] not in rows
    assert "a secret" not in rows


async def test_a_refusal_asks_the_database_nothing_more_before_its_answer(process, workspace, directory) -> None:
    """Whether the name exists makes no difference but to the note, which is looked up after."""
    issued = await issue(process, workspace, CredentialKind.SMTP)
    unknown = issued.credential.hint[:-1] + ("a" if issued.credential.hint[-1] != "a" else "b")
    for name in (issued.credential.hint, unknown):
        async with process.pool.acquire() as connection, connection.transaction():
            # Whoever waited for this table would wait for ever.
            await connection.execute("LOCK TABLE login_failures IN ACCESS EXCLUSIVE MODE")
            assert await directory.by_smtp_login(name, "guessed", "192.0.2.1") is None
        await directory.close()
        assert len(await kept(process, workspace)) == 1, "the first name's, and not the second's"


async def test_a_flood_fills_a_days_rows_and_no_more_while_known_ones_go_on(
    process, workspace, directory, clock, monkeypatch
) -> None:
    monkeypatch.setattr(limits, "LOGIN_FAILURES_A_DAY", 5)
    login = await issue(process, workspace, CredentialKind.SMTP)
    for number in [*range(1, 9), 1, 1]:
        await directory.by_smtp_login(login.credential.hint, f"guess {number}", f"192.0.2.{number}")
        await directory.close()
    found = await kept(process, workspace)
    assert {each.source: each.attempts for each in found} == {"192.0.2.1": 3} | {f"192.0.2.{n}": 1 for n in range(2, 6)}
    assert "posthouse_login_failures_lost_total 3.0" in process.metrics.render().decode()
    clock.advance(86_400)
    await directory.by_smtp_login(login.credential.hint, "guess", "192.0.2.77")
    await directory.close()
    assert len(await kept(process, workspace)) == 6, "the next day has room"


async def test_pages_and_filters_walk_all_of_them_once(process, workspace, directory, clock) -> None:
    login = await issue(process, workspace, CredentialKind.SMTP)
    key = await issue(process, workspace, CredentialKind.API_KEY)
    begin = clock.now()
    for number in range(4):
        await directory.by_smtp_login(login.credential.hint, "guess", f"192.0.2.{number}")
        await directory.by_api_key(mistaken(key.secret), f"192.0.2.{number}")
        await directory.close()
        clock.advance(900)
    seen, before = [], None
    while page := await login_failures.listing(process.pool, workspace.workspace_id, ALL, before, 3):
        seen += page
        before = page[-1].failure_id
    assert len(seen) == len({each.failure_id for each in seen}) == 8
    assert [each.first_at for each in seen] == sorted((each.first_at for each in seen), reverse=True)
    assert len(await kept(process, workspace, Wanted(door=LoginDoor.API))) == 4
    assert len(await kept(process, workspace, Wanted(since=begin + timedelta(minutes=44)))) == 4
    assert len(await kept(process, workspace, Wanted(until=begin + timedelta(minutes=15)))) == 2
    assert await kept(process, await new_workspace(process, "Bank")) == []


async def test_what_is_old_goes_with_the_housekeeper(process, workspace, directory, clock) -> None:
    login = await issue(process, workspace, CredentialKind.SMTP)
    await directory.by_smtp_login(login.credential.hint, "guess", "192.0.2.1")
    await directory.close()
    clock.advance(limits.LOGIN_FAILURES_KEPT_DAYS * 86_400 - 3_600)
    await worker.tidy(process)
    assert len(await kept(process, workspace)) == 1
    clock.advance(7_200)
    await worker.tidy(process)
    assert await kept(process, workspace) == []


async def test_guessing_raises_an_alert_that_ends_by_itself(process, workspace, directory, clock, monkeypatch) -> None:
    monkeypatch.setattr(limits, "LOGIN_FAILURES_ALARMING", 6)
    login = await issue(process, workspace, CredentialKind.SMTP)

    async def guess(times: int) -> list[alerts.Alert]:
        for number in range(times):
            await directory.by_smtp_login(login.credential.hint, f"guess {number}", f"192.0.2.{number % 2}")
        await directory.close()
        await worker.watch_logins(process)
        return await alerts.in_force(process.pool, workspace.workspace_id)

    assert await guess(5) == []
    clock.advance(900)  # the quarter of an hour before counts as well
    (alert,) = await guess(1)
    assert (alert.trouble.kind, alert.trouble.subject) == (guessing.ALERT, login.credential.hint)
    assert alert.trouble.sentence.startswith(f"6 logins of {login.credential.hint} from 2 addresses were refused")
    assert len(await guess(3)) == 1
    clock.advance(1_800)
    assert await guess(0) == []
    assert await alerts.in_force(process.pool, (await new_workspace(process, "Bank")).workspace_id) == []


async def test_they_are_exported_for_one_workspace(process, workspace, directory, clock) -> None:
    other = await new_workspace(process, "Bank")
    ours, theirs = [await issue(process, each, CredentialKind.SMTP) for each in (workspace, other)]
    since = clock.now()
    for each in (ours, ours, theirs):
        await directory.by_smtp_login(each.credential.hint, "guess", "192.0.2.1")
    await directory.close()
    wish = Wish(What.LOGIN_FAILURES, Format.CSV, since - timedelta(hours=1), since + timedelta(hours=1))
    async with changes.making(process, workspace.workspace_id, "user:ann") as change:
        export = await jobs.submit(change, wish)
    assert isinstance(export, Export)
    clock.advance(3_700)
    while await running.turn(process):
        pass
    export = await jobs.find(process.pool, workspace.workspace_id, export.export_id)
    assert export is not None
    assert (export.state, export.expected, export.completed) == (State.COMPLETE, 1, 1)
    pieces = files.pieces(process, workspace.workspace_id, export, packed=False)
    (row,) = csv.DictReader(io.StringIO(b"".join([piece async for piece in pieces]).decode()))
    assert (row["account"], row["attempts"], row["reason"]) == (ours.credential.hint, "2", Reason.WRONG)
