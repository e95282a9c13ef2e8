"""Workspaces, people, credentials and the audit log on a real PostgreSQL, with the rights the product has."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from posthouse.accounts import audit, bootstrap, changes, credentials, sign_in, users, workspaces
from posthouse.accounts.credentials import CredentialKind, Issued, Terms
from posthouse.accounts.directory import Directory
from posthouse.accounts.sign_in import Cookie, Gate, TooMany, Wrong
from posthouse.accounts.users import Member
from posthouse.accounts.workspaces import Preferences, Workspace
from posthouse.model import limits
from posthouse.model.words import MailClass, Role, Scope
from posthouse.runtime import queries
from posthouse.runtime.process import Process

SEND = frozenset({Scope.SEND})
PASSWORD = "correct horse battery"


async def new_workspace(process: Process, name: str = "Shop") -> Workspace:
    async with changes.making(process, process.ids.new(), "cli:test") as change:
        return await workspaces.create(change, name)


async def new_member(process: Process, workspace: Workspace, email: str, role: Role = Role.SENDER) -> Member:
    async with changes.making(process, workspace.workspace_id, "cli:test") as change:
        member = await users.create(change, email, "", role)
    assert isinstance(member, Member)
    return member


async def issue(process: Process, workspace: Workspace, kind: CredentialKind, terms: Terms) -> Issued:
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        issued = await credentials.create(change, kind, terms)
    assert isinstance(issued, Issued), issued
    return issued


@pytest.fixture
async def workspace(process: Process) -> Workspace:
    return await new_workspace(process)


@pytest.fixture
async def directory(process: Process) -> AsyncIterator[Directory]:
    async with Directory.open(process) as directory:
        yield directory


async def until(condition, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - another process is awaited
            await asyncio.sleep(0.01)


async def test_every_statement_can_be_prepared(database) -> None:
    async with database.acquire() as connection:
        for query in queries.load("posthouse.accounts"):
            await connection.prepare(query.sql)


class TestAudit:
    async def test_the_log_cannot_be_changed_or_shortened_by_the_product(self, process, workspace, database) -> None:
        for statement in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.execute(statement)

    @pytest.mark.parametrize(
        ("tampering", "broken_at"),
        [
            ("UPDATE audit_log SET actor = 'nobody' WHERE sequence = 2", 2),
            ('UPDATE audit_log SET detail = \'{"name": "x"}\' WHERE sequence = 3', 3),
            ("DELETE FROM audit_log WHERE sequence = 2", 2),
            ("DELETE FROM audit_log WHERE sequence = 1", 1),
        ],
    )
    async def test_tampering_by_the_owner_of_the_database_shows(
        self, process, workspace, database, owner, tampering: str, broken_at: int
    ) -> None:
        for email in ("a@x.test", "b@x.test", "c@x.test"):
            await new_member(process, workspace, email)
        async with database.acquire() as connection:
            assert await audit.verify(connection, workspace.workspace_id) == audit.Chain(4, None)
            await owner.execute(tampering)
            assert await audit.verify(connection, workspace.workspace_id) == audit.Chain(broken_at - 1, broken_at)

    async def test_writers_at_the_same_time_make_one_chain(self, process, workspace, database) -> None:
        await asyncio.gather(*(new_member(process, workspace, f"u{n}@x.test") for n in range(20)))
        async with database.acquire() as connection:
            assert await audit.verify(connection, workspace.workspace_id) == audit.Chain(21, None)

    async def test_a_change_that_fails_leaves_no_entry(self, process, workspace, database) -> None:
        async def fail() -> None:
            async with changes.making(process, workspace.workspace_id, "cli:test") as change:
                await users.create(change, "a@x.test", "", Role.READER)
                raise ConnectionError

        with pytest.raises(ConnectionError):
            await fail()
        assert await users.members(database, workspace.workspace_id) == []
        assert len(await audit.page(database, workspace.workspace_id, None, 10)) == 1

    async def test_pages_go_from_the_newest_down(self, process, workspace, database) -> None:
        for number in range(4):
            await new_member(process, workspace, f"u{number}@x.test")
        first = await audit.page(database, workspace.workspace_id, None, 2)
        second = await audit.page(database, workspace.workspace_id, first[-1].sequence, 10)
        assert [entry.sequence for entry in (*first, *second)] == [5, 4, 3, 2, 1]
        assert (first[0].actor, first[0].action, first[0].subject) == ("cli:test", "user.create", "u3@x.test")


class TestWorkspaces:
    async def test_preferences_are_kept_and_the_log_has_old_and_new(self, process, workspace, database) -> None:
        wanted = Preferences("Shop", 6, True, False, "help@x.test")
        async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
            updated = await workspaces.update(change, wanted)
        assert isinstance(updated, Workspace)
        assert Preferences.of(updated) == wanted
        entry = (await audit.page(database, workspace.workspace_id, None, 1))[0]
        assert entry.detail == {
            "default_priority": {"from": 4, "to": 6},
            "support_contact": {"from": "", "to": "help@x.test"},
        }

    async def test_bad_preferences_are_refused_field_by_field(self, process, workspace) -> None:
        async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
            refused = await workspaces.update(change, Preferences(" ", 10, True, False, "x\ny"))
        assert isinstance(refused, tuple)
        assert [each.pointer for each in refused] == ["/name", "/default_priority", "/support_contact"]


class TestCredentials:
    async def test_an_api_key_is_shown_once_and_works(self, process, workspace, directory, database) -> None:
        terms = Terms("Shop", SEND, ("Shop.test",), mail_class=MailClass.MARKETING)
        issued = await issue(process, workspace, CredentialKind.API_KEY, terms)
        assert issued.secret.startswith(f"ph_{workspace.number}_")
        submitter = await directory.by_api_key(issued.secret, "192.0.2.1")
        assert submitter is not None
        assert (submitter.workspace_id, submitter.credential_id) == (
            workspace.workspace_id,
            issued.credential.credential_id,
        )
        assert (submitter.scopes, submitter.domains, submitter.default_class) == (
            SEND,
            {"shop.test"},
            MailClass.MARKETING,
        )
        dump = [dict(row) for row in await database.fetch("SELECT * FROM credentials")]
        assert issued.secret not in repr(dump)

    async def test_an_smtp_login_works_with_its_own_name_only(self, process, workspace, directory) -> None:
        issued = await issue(process, workspace, CredentialKind.SMTP, Terms("Shop", SEND))
        other = await issue(process, workspace, CredentialKind.SMTP, Terms("Other", SEND))
        name = issued.credential.hint
        assert await directory.by_smtp_login(name, issued.secret, "192.0.2.1") is not None
        assert await directory.by_smtp_login(other.credential.hint, issued.secret, "192.0.2.1") is None
        assert await directory.by_smtp_login(name, other.secret, "192.0.2.1") is None
        assert await directory.by_api_key(issued.secret, "192.0.2.1") is None

    async def test_a_network_restriction_holds(self, process, workspace, directory) -> None:
        issued = await issue(
            process, workspace, CredentialKind.API_KEY, Terms("Shop", SEND, networks=("192.0.2.0/24",))
        )
        assert await directory.by_api_key(issued.secret, "192.0.2.1") is not None
        assert await directory.by_api_key(issued.secret, "198.51.100.1") is None

    async def test_a_network_may_stand_for_a_login(self, process, workspace, directory) -> None:
        assert await directory.by_network("10.1.2.3") is None
        terms = Terms("Printers", SEND, networks=("10.0.0.0/8",), without_auth=True)
        issued = await issue(process, workspace, CredentialKind.SMTP, terms)
        assert issued.secret == ""

        async def heard() -> bool:
            return await directory.by_network("10.1.2.3") is not None

        await until(heard)
        assert await directory.by_network("::ffff:10.1.2.3") is not None
        assert await directory.by_network("192.0.2.1") is None
        assert await directory.by_network("") is None

    async def test_two_workspaces_cannot_stand_for_the_same_network(self, process, workspace) -> None:
        terms = Terms("Printers", SEND, networks=("10.0.0.0/8",), without_auth=True)
        await issue(process, workspace, CredentialKind.SMTP, terms)
        other = await new_workspace(process, "Other")
        narrower = Terms("Mine", SEND, networks=("10.1.0.0/16",), without_auth=True)
        async with changes.making(process, other.workspace_id, "user:eve@x.test") as change:
            refused = await credentials.create(change, CredentialKind.SMTP, narrower)
        assert not isinstance(refused, Issued)
        assert refused[0].code == "taken"

    async def test_a_revoked_key_stops_in_every_process_at_once(self, process, workspace, directory, database) -> None:
        issued = await issue(process, workspace, CredentialKind.API_KEY, Terms("Shop", SEND))
        assert await directory.by_api_key(issued.secret, "192.0.2.1") is not None
        async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
            assert await credentials.revoke(change, issued.credential.credential_id)
            assert not await credentials.revoke(change, issued.credential.credential_id)

        async def refused() -> bool:
            return await directory.by_api_key(issued.secret, "192.0.2.1") is None

        await until(refused, limits.DIRECTORY_TTL_S / 2)
        found = await credentials.find(database, workspace.workspace_id, issued.credential.credential_id)
        assert found is not None
        assert found.revoked_at is not None

    async def test_who_changes_something_and_looks_sees_it(self, process, workspace, directory) -> None:
        for _ in range(20):
            issued = await issue(process, workspace, CredentialKind.API_KEY, Terms("Shop", SEND))
            assert await directory.by_api_key(issued.secret, "192.0.2.1") is not None
            async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
                assert await credentials.revoke(change, issued.credential.credential_id)
            assert await directory.by_api_key(issued.secret, "192.0.2.1") is None

    async def test_a_workspace_cannot_revoke_or_see_what_is_anothers(self, process, workspace, database) -> None:
        issued = await issue(process, workspace, CredentialKind.API_KEY, Terms("Shop", SEND))
        other = await new_workspace(process, "Other")
        async with changes.making(process, other.workspace_id, "user:eve@x.test") as change:
            assert not await credentials.revoke(change, issued.credential.credential_id)
        assert await credentials.listing(database, other.workspace_id) == []
        assert await credentials.find(database, other.workspace_id, issued.credential.credential_id) is None

    async def test_the_last_use_is_noted_once_a_minute(self, process, workspace, database, clock) -> None:
        issued = await issue(process, workspace, CredentialKind.API_KEY, Terms("Shop", SEND))
        directory = Directory(database, clock, process.vault)

        async def used_at() -> object:
            await directory.by_api_key(issued.secret, "192.0.2.1")
            await directory.close()
            found = await credentials.find(database, workspace.workspace_id, issued.credential.credential_id)
            assert found is not None
            return found.used_at

        first = await used_at()
        assert first == clock.now()
        clock.advance(limits.CREDENTIAL_USE_S - 1)
        assert await used_at() == first
        clock.advance(1)
        assert await used_at() == clock.now()

    async def test_a_listing_shows_the_newest_first_and_one_kind_if_asked(self, process, workspace, database) -> None:
        for kind, name in ((CredentialKind.API_KEY, "one"), (CredentialKind.SMTP, "two")):
            await issue(process, workspace, kind, Terms(name, SEND))
        assert [each.name for each in await credentials.listing(database, workspace.workspace_id)] == ["two", "one"]
        keys = await credentials.listing(database, workspace.workspace_id, CredentialKind.API_KEY)
        assert [each.name for each in keys] == ["one"]

    async def test_there_is_a_limit_to_credentials(self, process, workspace, monkeypatch) -> None:
        monkeypatch.setattr(limits, "CREDENTIALS_PER_WORKSPACE", 1)
        await issue(process, workspace, CredentialKind.API_KEY, Terms("one", SEND))
        async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
            refused = await credentials.create(change, CredentialKind.API_KEY, Terms("two", SEND))
        assert not isinstance(refused, Issued)

    async def test_checking_a_known_key_costs_less_than_twenty_microseconds(
        self, process, workspace, directory
    ) -> None:
        issued = await issue(
            process, workspace, CredentialKind.API_KEY, Terms("Shop", SEND, networks=("192.0.2.0/24",))
        )
        best = float("inf")
        for _ in range(20):
            start = process.clock.monotonic()
            for _ in range(500):
                await directory.by_api_key(issued.secret, "192.0.2.1")
            best = min(best, (process.clock.monotonic() - start) / 500)
        assert best < 20e-6


class TestUsers:
    async def test_an_address_is_one_person_however_it_is_typed(self, process, workspace, database) -> None:
        member = await new_member(process, workspace, "Ann@X.Test")
        assert member.user.email == "ann@x.test"
        assert await users.find(database, workspace.workspace_id, " ANN@x.test ") == member
        async with changes.making(process, workspace.workspace_id, "cli:test") as change:
            refused = await users.create(change, "ann@x.test", "", Role.ADMIN)
        assert not isinstance(refused, Member)
        assert refused[0].code == "taken"

    @pytest.mark.parametrize(("email", "name"), [("nobody", ""), ("a@x.test\n", "x\ny"), ("", "")])
    async def test_a_bad_address_or_name_is_refused(self, process, workspace, email: str, name: str) -> None:
        async with changes.making(process, workspace.workspace_id, "cli:test") as change:
            assert isinstance(await users.create(change, email, name, Role.ADMIN), tuple)

    async def test_an_admin_cannot_take_over_a_person_of_another_workspace(self, process, workspace, database) -> None:
        other = await new_workspace(process, "Other")
        ben = await new_member(process, other, "ben@x.test")
        assert (await new_member(process, workspace, "ben@x.test")).user.user_id == ben.user.user_id
        async with changes.making(process, workspace.workspace_id, "user:eve@x.test") as change:
            for refused in (
                await users.set_password(change, ben.user.user_id, PASSWORD),
                await users.disable(change, ben.user.user_id),
                await sign_in.new_link(change, ben.user.user_id),
            ):
                assert isinstance(refused, tuple)
                assert refused[0].code == "belongs_elsewhere"
        async with changes.making(process, workspace.workspace_id, "cli:root", operator=True) as change:
            assert await users.set_password(change, ben.user.user_id, PASSWORD) == ()

    async def test_a_stranger_is_not_found(self, process, workspace) -> None:
        other = await new_workspace(process, "Other")
        ben = await new_member(process, other, "ben@x.test")
        async with changes.making(process, workspace.workspace_id, "cli:root", operator=True) as change:
            assert (await users.disable(change, ben.user.user_id))[0].code == "not_found"


class TestSignIn:
    @pytest.fixture
    async def ann(self, process, workspace) -> Member:
        ann = await new_member(process, workspace, "ann@x.test", Role.ADMIN)
        async with changes.making(process, workspace.workspace_id, "cli:test") as change:
            assert await users.set_password(change, ann.user.user_id, PASSWORD) == ()
        return ann

    async def test_the_right_password_opens_a_session(self, process, workspace, ann, database) -> None:
        cookie = await Gate(process).by_password("ANN@x.test", PASSWORD, "192.0.2.1")
        assert isinstance(cookie, Cookie)
        person = await sign_in.person(database, cookie.value, process.clock.now())
        assert person is not None
        assert (person.user.user_id, person.workspace, person.role) == (ann.user.user_id, workspace, Role.ADMIN)
        assert person.actor == "user:ann@x.test"
        assert person.may(Role.SENDER)
        stored = await database.fetchval("SELECT session_hash FROM sessions")
        assert cookie.value.encode() not in stored

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("ann@x.test", "wrong"),
            ("ben@x.test", PASSWORD),
            ("", ""),
            ("ann@x.test", "\udcff\0"),
            ("a\0nn@x.test", PASSWORD),
        ],
    )
    async def test_anything_else_does_not(self, process, ann, email: str, password: str) -> None:
        assert await Gate(process).by_password(email, password, "192.0.2.1") is Wrong.WRONG

    async def test_guessing_is_limited_by_account_and_place(self, process, ann) -> None:
        gate = Gate(process)
        for _ in range(limits.SIGN_IN_BURST):
            assert await gate.by_password("ann@x.test", "wrong", "192.0.2.1") is Wrong.WRONG
        stopped = await gate.by_password("ann@x.test", PASSWORD, "192.0.2.1")
        assert isinstance(stopped, TooMany)
        assert 0 < stopped.retry_after_s <= limits.SIGN_IN_INTERVAL_S
        assert isinstance(await gate.by_password("ann@x.test", PASSWORD, "192.0.2.2"), Cookie)

    async def test_guessing_many_accounts_from_one_place_is_limited(self, process, monkeypatch) -> None:
        monkeypatch.setattr(limits, "SIGN_IN_SOURCE_BURST", 3)
        gate = Gate(process)
        outcomes = [await gate.by_password(f"u{n}@x.test", "wrong", "2001:db8::1") for n in range(4)]
        assert [isinstance(each, TooMany) for each in outcomes] == [False, False, False, True]
        assert isinstance(await gate.by_link("guess", "2001:db8::2"), TooMany)

    async def test_signing_in_often_is_no_guessing(self, process, ann) -> None:
        gate = Gate(process)
        for _ in range(limits.SIGN_IN_BURST + 2):
            assert isinstance(await gate.by_password("ann@x.test", PASSWORD, "192.0.2.1"), Cookie)

    async def test_a_link_works_once(self, process, workspace, ann) -> None:
        async with changes.making(process, workspace.workspace_id, "cli:test") as change:
            token = await sign_in.new_link(change, ann.user.user_id)
        assert isinstance(token, str)
        outcomes = await asyncio.gather(*(Gate(process).by_link(token, "192.0.2.1") for _ in range(5)))
        assert sum(isinstance(each, Cookie) for each in outcomes) == 1
        assert outcomes.count(Wrong.WRONG) == 4

    async def test_a_link_dies_after_a_day(self, process, workspace, ann, clock) -> None:
        process.clock = clock
        async with changes.making(process, workspace.workspace_id, "cli:test") as change:
            token = await sign_in.new_link(change, ann.user.user_id)
        clock.advance(limits.SIGN_IN_LINK_LIFETIME_S)
        assert isinstance(token, str)
        assert await Gate(process).by_link(token, "192.0.2.1") is Wrong.WRONG

    async def test_a_session_lives_fourteen_days_from_the_last_visit(self, process, ann, database, clock) -> None:
        process.clock = clock
        cookie = await Gate(process).by_password("ann@x.test", PASSWORD, "192.0.2.1")
        assert isinstance(cookie, Cookie)
        for _ in range(3):
            clock.advance(limits.SESSION_LIFETIME_S - 1)
            assert await sign_in.person(database, cookie.value, clock.now()) is not None
        clock.advance(limits.SESSION_LIFETIME_S)
        assert await sign_in.person(database, cookie.value, clock.now()) is None

    async def test_signing_out_disabling_and_a_new_password_end_sessions(
        self, process, workspace, ann, database
    ) -> None:
        gate, now = Gate(process), process.clock.now()
        for end in ("out", "password", "disable"):
            cookie = await gate.by_password("ann@x.test", PASSWORD, "192.0.2.1")
            assert isinstance(cookie, Cookie)
            if end == "out":
                await sign_in.sign_out(database, cookie.value)
            async with changes.making(process, workspace.workspace_id, "cli:test") as change:
                if end == "password":
                    await users.set_password(change, ann.user.user_id, PASSWORD)
                if end == "disable":
                    await users.disable(change, ann.user.user_id)
            assert await sign_in.person(database, cookie.value, now) is None
        assert await gate.by_password("ann@x.test", PASSWORD, "192.0.2.1") is Wrong.WRONG
        async with changes.making(process, workspace.workspace_id, "cli:test") as change:
            await users.enable(change, ann.user.user_id)
        assert isinstance(await gate.by_password("ann@x.test", PASSWORD, "192.0.2.1"), Cookie)

    async def test_changing_the_password_asks_for_the_old_one_and_spares_this_session(
        self, process, ann, database
    ) -> None:
        gate, now, ip = Gate(process), process.clock.now(), "192.0.2.1"
        here, there = [await gate.by_password("ann@x.test", PASSWORD, ip) for _ in range(2)]
        assert isinstance(here, Cookie)
        assert isinstance(there, Cookie)
        person = await sign_in.person(database, here.value, now)
        assert person is not None
        wrong = await gate.change_password(person, "wrong", "a new long password", ip)
        assert isinstance(wrong, tuple)
        assert wrong[0].pointer == "/old_password"
        short = await gate.change_password(person, PASSWORD, "short", ip)
        assert isinstance(short, tuple)
        assert short[0].code == "too_short"
        assert await gate.change_password(person, PASSWORD, "a new long password", ip) == ()
        assert await sign_in.person(database, here.value, now) is not None
        assert await sign_in.person(database, there.value, now) is None

    async def test_one_switches_only_to_a_workspace_of_ones_own(self, process, workspace, ann, database) -> None:
        mine, theirs = await new_workspace(process, "Mine"), await new_workspace(process, "Theirs")
        await new_member(process, mine, "ann@x.test", Role.READER)
        cookie = await Gate(process).by_password("ann@x.test", PASSWORD, "192.0.2.1")
        assert isinstance(cookie, Cookie)
        now = process.clock.now()
        assert not await sign_in.switch(database, cookie.value, theirs.workspace_id, now)
        assert await sign_in.switch(database, cookie.value, mine.workspace_id, now)
        person = await sign_in.person(database, cookie.value, now)
        assert person is not None
        assert (person.workspace.name, person.role) == ("Mine", Role.READER)

    async def test_a_person_submits_with_the_scopes_of_the_role(self, process, ann, database, directory) -> None:
        cookie = await Gate(process).by_password("ann@x.test", PASSWORD, "192.0.2.1")
        assert isinstance(cookie, Cookie)
        person = await sign_in.person(database, cookie.value, process.clock.now())
        assert person is not None
        submitter = await directory.for_person(person)
        assert (submitter.credential_kind, submitter.scopes) == ("user", frozenset(Scope))
        assert not submitter.any_domain


class TestBootstrap:
    async def test_without_the_lab_there_is_a_way_in_and_nothing_that_bypasses_anything(
        self, process, database
    ) -> None:
        made = await bootstrap.ensure(process)
        assert (made.user_email, made.api_key, made.smtp_user, made.smtp_password) == ("admin@mail.test", "", "", "")
        assert [each.name for each in await workspaces.listing(database)] == ["Main"]
        assert await credentials.listing(database, made.workspace_id) == []
        assert isinstance(await Gate(process).by_link(made.sign_in_token, "192.0.2.1"), Cookie)

    async def test_once_the_admin_has_a_password_no_link_is_printed(self, process) -> None:
        made = await bootstrap.ensure(process)
        async with changes.making(process, made.workspace_id, "cli:test") as change:
            admin = await users.find(change.connection, made.workspace_id, made.user_email)
            assert admin is not None
            await users.set_password(change, admin.user.user_id, PASSWORD)
        assert (await bootstrap.ensure(process)).sign_in_token == ""

    async def test_a_second_start_of_the_lab_prints_the_same_secrets(self, make_process, database) -> None:
        process = make_process(lab={"enabled": True})
        first, second = await bootstrap.ensure(process), await bootstrap.ensure(process)
        assert first.sign_in_token != second.sign_in_token
        assert (first.api_key, first.smtp_user, first.smtp_password) == (
            second.api_key,
            second.smtp_user,
            second.smtp_password,
        )
        assert len(await credentials.listing(database, first.workspace_id)) == 3
        async with database.acquire() as connection:
            assert (await audit.verify(connection, first.workspace_id)).broken_at is None

    async def test_starts_at_the_same_time_make_one_workspace(self, make_process, database) -> None:
        process = make_process(lab={"enabled": True})
        made = await asyncio.gather(*(bootstrap.ensure(process) for _ in range(4)))
        assert len({each.api_key for each in made}) == 1
        assert len(await workspaces.listing(database)) == 1
        assert len(await credentials.listing(database, made[0].workspace_id)) == 3

    async def test_in_the_lab_every_way_in_may_send_from_any_domain_and_is_signed(self, make_process) -> None:
        process = make_process(lab={"enabled": True})
        made = await bootstrap.ensure(process)
        async with Directory.open(process) as directory:
            for submitter in (
                await directory.by_api_key(made.api_key, "192.0.2.1"),
                await directory.by_smtp_login(made.smtp_user, made.smtp_password, "192.0.2.1"),
                await directory.by_network("127.0.0.1"),
                await directory.by_network("::1"),
            ):
                assert submitter is not None
                assert await directory.may_send_as(submitter, "any.test")
            assert await directory.by_network("192.0.2.1") is None
            keys = await directory.signing_keys(made.workspace_id, "any.test")
            assert [(key.domain, key.selector) for key in keys] == [("any.test", "lab"), ("any.test", "labed")]
            assert set(await bootstrap.lab_keys(process.pool)) == {"lab", "labed"}
            assert submitter.postal_address == bootstrap.LAB_ADDRESS

    async def test_a_start_without_the_lab_ends_what_the_lab_allowed(self, make_process, process, database) -> None:
        made = await bootstrap.ensure(make_process(lab={"enabled": True}))
        await bootstrap.ensure(process)
        async with Directory.open(process) as directory:
            assert await directory.by_api_key(made.api_key, "192.0.2.1") is None
            assert await directory.by_network("127.0.0.1") is None
            assert await directory.signing_keys(made.workspace_id, "any.test") == ()
        assert await bootstrap.lab_keys(database) == {}
        assert (await workspaces.listing(database))[0].postal_address == ""
        again = await bootstrap.ensure(make_process(lab={"enabled": True}))
        assert again.api_key == made.api_key
        async with Directory.open(process) as directory:
            assert await directory.by_api_key(made.api_key, "192.0.2.1") is not None
