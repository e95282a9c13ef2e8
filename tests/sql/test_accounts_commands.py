"""`posthouse key`, `user` and `domain` as programs, against a real database."""

import asyncio
import contextlib
import io
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from tests.verified import verified_domain

from posthouse.accounts import audit, bootstrap
from posthouse.accounts.directory import Directory
from posthouse.accounts.sign_in import Cookie, Gate
from posthouse.cli import main
from posthouse.runtime.settings import Settings


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


Command = Callable[..., Awaitable[Ended]]


@pytest.fixture
def posthouse(settings: Settings, owner_dsn: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command on the test's database, in a thread of its own as it brings its own event loop."""
    monkeypatch.setenv("POSTHOUSE_POSTGRES_DSN", owner_dsn)
    monkeypatch.setenv("POSTHOUSE_SERVER_DATA_DIR", str(settings.data))

    async def run(*words: str, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        return await asyncio.to_thread(_run, words)

    return run


def _run(words: tuple[str, ...]) -> Ended:
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main.build()(words)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 0
    return Ended(status, out.getvalue(), err.getvalue())


@pytest.fixture
async def made(process) -> bootstrap.Bootstrap:
    return await bootstrap.ensure(process)


async def test_a_key_is_made_listed_used_and_revoked(posthouse, made, process, database) -> None:
    created = await posthouse("key", "create", "Shop", "--scope", "send", "--scope", "read", "--json")
    assert created.status == 0, created.err
    key = created.json["secret"]
    assert created.json["scopes"] == ["read", "send"]
    assert await Directory(database, process.clock, process.vault).by_api_key(key, "192.0.2.1") is not None

    listed = await posthouse("key", "list", "--json")
    assert [each["name"] for each in listed.json] == ["Shop"]
    assert key not in listed.out
    assert created.json["hint"] in (await posthouse("key", "list")).out

    assert (await posthouse("key", "revoke", created.json["hint"])).status == 0
    assert await Directory(database, process.clock, process.vault).by_api_key(key, "192.0.2.1") is None
    again = await posthouse("key", "revoke", created.json["hint"])
    assert (again.status, again.out) == (1, "")
    assert (await posthouse("key", "list", "--json")).json == []
    assert len((await posthouse("key", "list", "--revoked", "--json")).json) == 1


async def test_what_is_refused_is_named_and_ends_with_one(posthouse, made) -> None:
    refused = await posthouse("key", "create", "Shop", "--domain", "shop", "--network", "300.1.1.1")
    assert refused.status == 1
    assert "domains 1: This is not a domain name." in refused.err
    assert "networks 1: " in refused.err


async def test_wrong_usage_ends_with_two(posthouse) -> None:
    assert (await posthouse("key", "create")).status == 2
    assert (await posthouse("user", "create", "ann@x.test", "--role", "king")).status == 2


async def test_help_shows_examples(posthouse) -> None:
    for noun, verb in (("key", "create"), ("user", "password"), ("domain", "records")):
        shown = await posthouse(noun, verb, "--help")
        assert shown.status == 0
        assert f"posthouse {noun} {verb} " in shown.out.partition("For example:")[2]


async def test_a_person_is_added_and_gets_in(posthouse, made, process) -> None:
    assert (await posthouse("user", "create", "Ann@x.test", "--role", "admin", "--name", "Ann Lee")).status == 0
    assert (await posthouse("user", "create", "ann@x.test")).status == 1
    linked = await posthouse("user", "sign-in-link", "ann@x.test", "--json")
    token = linked.json["sign_in"].rpartition("/sign-in/")[2]
    assert isinstance(await Gate(process).by_link(token, "192.0.2.1"), Cookie)

    assert (await posthouse("user", "password", "ann@x.test", stdin="short\n")).status == 1
    assert (await posthouse("user", "password", "ann@x.test", stdin="a long password\n")).status == 0
    assert isinstance(await Gate(process).by_password("ann@x.test", "a long password", "192.0.2.1"), Cookie)
    assert (await posthouse("user", "disable", "ann@x.test")).status == 0
    assert not isinstance(await Gate(process).by_password("ann@x.test", "a long password", "192.0.2.1"), Cookie)
    assert (await posthouse("user", "enable", "ann@x.test", "--json")).json["disabled_at"] is None
    assert (await posthouse("user", "disable", "ben@x.test")).status == 1
    assert "ann@x.test" in (await posthouse("user", "list")).out


async def test_a_domain_is_added_shown_and_removed(posthouse, made, process, database) -> None:
    added = await posthouse("domain", "add", "Shop.TEST", "--json")
    assert added.json["name"] == "shop.test"
    purposes = [each["purpose"] for each in added.json["records"] if each["need"] != "optional"]
    assert purposes == ["ownership", "dkim", "dkim", "spf", "return_path", "dmarc"]
    zone = await posthouse("domain", "records", "shop.test", "--zone")
    assert (zone.out.count(" IN TXT "), zone.out.count(" IN CNAME ")) == (5, 1)
    assert (await posthouse("domain", "records", "other.test")).status == 1
    unsure = await posthouse("domain", "remove", "shop.test")
    assert unsure.status == 1
    assert "--yes" in unsure.err
    assert "shop.test" in (await posthouse("domain", "list")).out
    assert (await posthouse("domain", "remove", "shop.test", "--yes")).status == 0
    assert (await posthouse("domain", "list", "--json")).json == []
    entries = await audit.page(database, made.workspace_id, None, 2)
    assert [each.action for each in entries] == ["domain.remove", "domain.add"]
    assert all(each.actor.startswith("cli") for each in entries)


async def test_without_a_workspace_the_command_says_what_to_do(posthouse) -> None:
    ended = await posthouse("key", "list")
    assert ended.status == 1
    assert "posthouse up" in ended.err


async def test_a_domain_is_given_its_purpose_and_further_keys(posthouse, made) -> None:
    added = await posthouse("domain", "add", "news.acme.test", "--class", "marketing", "--json")
    assert added.json["classes"] == ["marketing"]
    assigned = await posthouse("domain", "classes", "news.acme.test", "--class", "business", "--class", "transactional")
    assert assigned.out == "news.acme.test is for business and transactional mail.\n"
    assert (await posthouse("domain", "classes", "news.acme.test", "--json")).json["classes"] == []
    more = await posthouse("domain", "keys", "news.acme.test", "--selector", "mk1", "--selector", "mk1-ed", "--json")
    assert {"mk1", "mk1-ed"} <= set(more.json["selectors"])
    again = await posthouse("domain", "keys", "news.acme.test", "--selector", "mk1")
    assert (again.status, "There is a key mk1 already." in again.err) == (1, True)


async def test_the_keys_of_a_domain_are_replaced(posthouse, made, process) -> None:
    await posthouse("domain", "add", "acme.test")
    early = await posthouse("domain", "rotate", "acme.test")
    assert (early.status, "verified before its keys are replaced" in early.err) == (1, True)
    await verified_domain(process, made.workspace_id, "shop.test")
    rotating = await posthouse("domain", "rotate", "shop.test", "--json")
    states = {key["selector"]: key["state"] for key in rotating.json["keys"]}
    assert sorted(states.values()) == ["replacing", "replacing", "signing", "signing"]
    assert [each["name"].partition(".")[0] for each in rotating.json["records"]] == [
        selector for selector, state in states.items() if state == "replacing"
    ]
    told = await posthouse("domain", "remove-key", "shop.test", "ph1-rsa", "--yes")
    assert (told.status, "Mail is signed with it." in told.err) == (1, True)
    new = rotating.json["records"][0]["name"].partition(".")[0]
    assert new in (await posthouse("domain", "remove-key", "shop.test", new, "--yes")).out
    assert (await posthouse("domain", "remove-key", "shop.test", new, "--yes")).status == 1
