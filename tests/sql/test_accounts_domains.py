"""Sending domains: from the first record to the signature, and who may send as whom."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from posthouse.accounts import alerts, audit, bootstrap, changes, domains, workspaces
from posthouse.accounts.alerts import Level, Trouble
from posthouse.accounts.directory import Directory
from posthouse.accounts.dns_records import Incomplete, Purpose
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.workspaces import Preferences, Workspace
from posthouse.model import limits
from posthouse.model.dns import Answer, DnsStatus
from posthouse.model.mail import Submitter
from posthouse.model.words import DomainPolicy, Scope
from posthouse.runtime.process import Process
from posthouse.runtime.vault import Place, SealError, key_id_of
from posthouse.wire import dkim, dkim_keys


class Zone:
    """The DNS as far as a test publishes it."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.silent = False

    def publish(self, process: Process, domain: SendingDomain, *purposes: Purpose) -> None:
        for record in domains.records(process, domain):
            if record.purpose in purposes:
                self.texts.setdefault(record.name, []).append(record.value)

    async def txt(self, name: str) -> Answer[str]:
        if self.silent:
            return Answer(DnsStatus.TIMEOUT, detail="no server answered")
        found = self.texts.get(name)
        return Answer(DnsStatus.NOERROR, tuple(found)) if found else Answer(DnsStatus.NXDOMAIN)

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        del rdtype
        return await self.txt(name)


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
async def workspace(process) -> Workspace:
    return await new_workspace(process, "Shop")


async def new_workspace(process: Process, name: str) -> Workspace:
    async with changes.making(process, process.ids.new(), "cli:test") as change:
        return await workspaces.create(change, name)


async def add(process: Process, workspace: Workspace, name: str) -> SendingDomain:
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        domain = await domains.add(change, name)
    assert isinstance(domain, SendingDomain), domain
    return domain


async def verify(process: Process, domain: SendingDomain, zone: Zone) -> SendingDomain:
    verified = await domains.verify(process, domain.workspace_id, domain.domain_id, zone, "user:ann@x.test")
    assert verified is not None
    assert await domains.find(process.pool, domain.workspace_id, domain.domain_id) == verified
    return verified


def submitter(workspace: Workspace, *allowed: str) -> Submitter:
    scopes = frozenset({Scope.SEND})
    return Submitter(
        workspace.workspace_id, workspace.number, workspace.workspace_id, "api_key", "x", scopes, frozenset(allowed)
    )


async def test_a_domain_comes_with_a_token_and_two_sealed_keys(process, workspace, database) -> None:
    domain = await add(process, workspace, "Blåbær.DK")
    assert domain.name == "xn--blbr-roah.dk"
    assert [key.algorithm for key in domain.keys] == ["rsa-sha256", "ed25519-sha256"]
    assert domain.verified_at is None
    rows = await database.fetch("SELECT selector, sealed_private_key FROM dkim_keys")
    for row in rows:
        with pytest.raises(ValueError):
            dkim_keys.load(row["sealed_private_key"], domain.name, row["selector"])


async def test_a_sealed_key_opens_only_in_its_own_row(process, workspace, database) -> None:
    domain = await add(process, workspace, "shop.test")
    directory = Directory(database, process.clock, process.vault)
    sealed = await database.fetchval("SELECT sealed_private_key FROM dkim_keys WHERE selector LIKE '%-rsa'")
    key = await directory.data_key(workspace.workspace_id, key_id_of(sealed))
    here = Place(
        "dkim_keys", "sealed_private_key", workspace.workspace_id, f"{domain.domain_id} ph{workspace.number}-rsa"
    )
    there = Place(
        "dkim_keys", "sealed_private_key", workspace.workspace_id, f"{domain.domain_id} ph{workspace.number}-ed"
    )
    assert process.vault.open(key, sealed, here)
    with pytest.raises(SealError):
        process.vault.open(key, sealed, there)


@pytest.mark.parametrize("name", ["", "localhost", "192.0.2.1", "a b.test", "x" * 64 + ".test"])
async def test_what_is_no_domain_is_refused(process, workspace, name: str) -> None:
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        refused = await domains.add(change, name)
    assert isinstance(refused, tuple)
    assert refused[0].code == "invalid_domain"


async def test_a_domain_is_added_once_and_there_is_a_limit(process, workspace, monkeypatch) -> None:
    await add(process, workspace, "shop.test")
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        again = await domains.add(change, "SHOP.test.")
        monkeypatch.setattr(limits, "DOMAINS_PER_WORKSPACE", 1)
        more = await domains.add(change, "more.test")
    assert isinstance(again, tuple)
    assert isinstance(more, tuple)
    assert [again[0].code, more[0].code] == ["taken", "too_many"]


async def test_ownership_and_a_key_in_the_dns_verify(process, workspace, zone, database) -> None:
    domain = await add(process, workspace, "shop.test")
    directory = Directory(database, process.clock, process.vault)
    assert not await directory.may_send_as(submitter(workspace), "shop.test")
    assert (await verify(process, domain, zone)).verified_at is None

    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    verified = await verify(process, domain, zone)
    assert verified.verified_at is not None
    assert [(check.purpose.value, check.passed) for check in verified.checks] == [
        ("ownership", True), ("dkim", True), ("dkim", True), ("spf", False), ("return_path", False), ("dmarc", False),
        ("report_permission", False), ("tls_reports", False), ("mta_sts", False), ("bimi", False),
    ]  # fmt: skip
    directory.forget()
    assert await directory.may_send_as(submitter(workspace), "shop.test")
    assert await directory.may_send_as(submitter(workspace, "shop.test"), "shop.test")
    assert not await directory.may_send_as(submitter(workspace, "other.test"), "shop.test")
    assert not await directory.may_send_as(submitter(workspace), "sub.shop.test")
    entry = (await audit.page(database, workspace.workspace_id, None, 1))[0]
    assert (entry.action, entry.detail) == ("domain.verify", {"verified": True})


async def test_only_published_keys_sign_and_the_loaded_key_is_kept(process, workspace, zone, database) -> None:
    domain = await add(process, workspace, "shop.test")
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    del zone.texts[f"ph{workspace.number}-ed._domainkey.shop.test"]
    await verify(process, domain, zone)
    directory = Directory(database, process.clock, process.vault)
    (key,) = await directory.signing_keys(workspace.workspace_id, "shop.test")
    assert (key.domain, key.selector) == ("shop.test", f"ph{workspace.number}-rsa")
    assert dkim_keys.dns_value(key) == domain.keys[0].value
    assert dkim.sign(b"From: a@shop.test\r\n\r\nHi\r\n", [key], datetime(2026, 1, 1, tzinfo=UTC)).startswith(
        b"DKIM-Signature"
    )
    directory.forget()
    (again,) = await directory.signing_keys(workspace.workspace_id, "shop.test")
    assert again is key


async def test_nothing_signs_for_a_domain_that_is_not_verified(process, workspace, database) -> None:
    await add(process, workspace, "shop.test")
    directory = Directory(database, process.clock, process.vault)
    assert await directory.signing_keys(workspace.workspace_id, "shop.test") == ()
    assert await directory.signing_keys(workspace.workspace_id, "other.test") == ()


async def test_a_domain_that_lost_a_record_stays_verified_and_is_told_of(process, workspace, zone, database) -> None:
    domain = await add(process, workspace, "shop.test")
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    first = (await verify(process, domain, zone)).verified_at
    zone.silent = True
    assert (await verify(process, domain, zone)).verified_at == first
    assert await alerts.in_force(database, workspace.workspace_id) == []
    zone.silent = False
    lost = zone.texts.pop("_posthouse.shop.test")
    incomplete = await verify(process, domain, zone)
    assert (incomplete.verified_at, incomplete.incomplete) == (first, Incomplete.REQUIRED)
    (alert,) = await alerts.in_force(database, workspace.workspace_id)
    assert replace(alert.trouble, clauses=()) == Trouble(
        "domain.incomplete",
        "shop.test",
        Level.WARNING,
        "shop.test lacks DNS records: _posthouse.shop.test. Nothing shows any more that the domain is yours.",
        f"/domains/{domain.domain_id}",
    )
    zone.texts["_posthouse.shop.test"] = lost
    assert (await verify(process, domain, zone)).incomplete is Incomplete.RECOMMENDED
    assert await alerts.in_force(database, workspace.workspace_id) == []


@pytest.mark.parametrize(
    ("policy", "lost", "allowed"),
    [
        (DomainPolicy.WARN, "_posthouse.shop.test", True),
        (DomainPolicy.REFUSE, "_posthouse.shop.test", False),
        (DomainPolicy.REFUSE, "_dmarc.shop.test", True),
        (DomainPolicy.STRICT, "_dmarc.shop.test", False),
        (DomainPolicy.STRICT, "", True),
    ],
)
async def test_the_workspace_chooses_whether_missing_records_stop_mail(
    process, workspace, zone, database, policy: DomainPolicy, lost: str, allowed: bool
) -> None:
    domain = await add(process, workspace, "shop.test")
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM, Purpose.SPF, Purpose.DMARC)
    await verify(process, domain, zone)
    zone.texts.pop(lost, None)
    checked = await verify(process, domain, zone)
    assert checked.is_refused(policy) is not allowed
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        chosen = await workspaces.update(change, replace(Preferences.of(workspace), domain_policy=policy))
    assert isinstance(chosen, Workspace)
    directory = Directory(database, process.clock, process.vault)
    assert await directory.may_send_as(submitter(workspace), "shop.test") is allowed


async def test_a_stricter_policy_tells_at_once_what_it_stops(process, workspace, zone, database) -> None:
    domain = await add(process, workspace, "shop.test")
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    await verify(process, domain, zone)
    assert await alerts.in_force(database, workspace.workspace_id) == []
    for policy, told in ((DomainPolicy.STRICT, 1), (DomainPolicy.REFUSE, 0)):
        async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
            await workspaces.update(change, replace(Preferences.of(workspace), domain_policy=policy))
            await domains.tell(change)
        found = await alerts.in_force(database, workspace.workspace_id)
        assert [alert.trouble.level for alert in found] == [Level.CRITICAL] * told
        assert all("Mail from it is refused until they are back." in alert.trouble.sentence for alert in found)


async def test_the_spf_record_of_all_domains_is_one_alert(process, workspace, zone, database) -> None:
    both = [await add(process, workspace, name) for name in ("shop.test", "news.test")]
    for domain in both:
        zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    zone.publish(process, both[0], Purpose.SPF)
    for domain in both:
        await verify(process, domain, zone)
    spf = zone.texts.pop(process.settings.bounce_domain)
    for domain in both:
        await verify(process, domain, zone)
    (alert,) = await alerts.in_force(database, workspace.workspace_id)
    assert (alert.trouble.kind, alert.trouble.subject) == ("return_path.spf", process.settings.bounce_domain)
    zone.texts[process.settings.bounce_domain] = spf
    await verify(process, both[0], zone)
    assert await alerts.in_force(database, workspace.workspace_id) == []


async def test_without_any_key_in_the_dns_the_alert_is_critical_and_ends_with_the_domain(
    process, workspace, zone, database
) -> None:
    domain = await add(process, workspace, "shop.test")
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    await verify(process, domain, zone)
    zone.texts = {name: texts for name, texts in zone.texts.items() if "_domainkey" not in name}
    await verify(process, domain, zone)
    (alert,) = await alerts.in_force(database, workspace.workspace_id)
    assert alert.trouble.level is Level.CRITICAL
    assert alert.trouble.sentence.endswith("Mail goes out unsigned, and receivers may refuse it.")
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        assert await domains.remove(change, domain.domain_id)
    assert await alerts.in_force(database, workspace.workspace_id) == []


async def test_keys_seen_before_still_sign_while_the_dns_is_silent(process, workspace, zone, database) -> None:
    domain = await add(process, workspace, "shop.test")
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    await verify(process, domain, zone)
    zone.silent = True
    await verify(process, domain, zone)
    directory = Directory(database, process.clock, process.vault)
    assert len(await directory.signing_keys(workspace.workspace_id, "shop.test")) == 2


async def test_two_workspaces_may_add_a_domain_and_only_proof_verifies(process, workspace, zone) -> None:
    other = await new_workspace(process, "Other")
    mine, theirs = await add(process, workspace, "shop.test"), await add(process, other, "shop.test")
    assert mine.ownership_token != theirs.ownership_token
    zone.publish(process, mine, Purpose.OWNERSHIP, Purpose.DKIM)
    assert (await verify(process, theirs, zone)).verified_at is None
    assert (await verify(process, mine, zone)).verified_at is not None
    zone.publish(process, theirs, Purpose.OWNERSHIP, Purpose.DKIM)
    assert (await verify(process, theirs, zone)).verified_at is not None
    assert (await verify(process, mine, zone)).verified_at is not None


async def test_a_policy_above_covers_the_domains_below(process, workspace, zone) -> None:
    domain = await add(process, workspace, "news.shop.test")
    zone.texts["_dmarc.shop.test"] = ["v=DMARC1; p=reject"]
    checks = (await verify(process, domain, zone)).checks
    (check,) = [each for each in checks if each.purpose is Purpose.DMARC]
    assert (check.passed, check.name) == (True, "_dmarc.news.shop.test")
    assert check.detail == "Covered by the policy of shop.test."


async def test_a_removed_domain_sends_no_more(process, workspace, zone, database) -> None:
    domain = await add(process, workspace, "shop.test")
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    await verify(process, domain, zone)
    other = await new_workspace(process, "Other")
    async with changes.making(process, other.workspace_id, "user:eve@x.test") as change:
        assert not await domains.remove(change, domain.domain_id)
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        assert await domains.remove(change, domain.domain_id)
    directory = Directory(database, process.clock, process.vault)
    assert not await directory.may_send_as(submitter(workspace), "shop.test")
    assert await domains.find(database, workspace.workspace_id, "shop.test") is None
    assert await domains.verify(process, workspace.workspace_id, domain.domain_id, zone, "x") is None
    assert await database.fetchval("SELECT count(*) FROM dkim_keys") == 0


async def test_a_verified_domain_in_the_lab_is_signed_with_its_own_keys(make_process, zone) -> None:
    process = make_process(lab={"enabled": True})
    made = await bootstrap.ensure(process)
    workspace = await workspaces.find(process.pool, made.workspace_id)
    assert workspace is not None
    domain = await add(process, workspace, "shop.test")
    directory = Directory(process.pool, process.clock, process.vault)
    assert [key.selector for key in await directory.signing_keys(made.workspace_id, "shop.test")] == ["lab", "labed"]
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    await verify(process, domain, zone)
    directory.forget()
    assert [key.selector for key in await directory.signing_keys(made.workspace_id, "shop.test")] == [
        "ph1-rsa",
        "ph1-ed",
    ]


async def test_a_new_data_key_seals_from_now_on_and_the_old_one_still_opens(process, workspace, database) -> None:
    from posthouse.accounts import data_keys

    directory = Directory(database, process.clock, process.vault)
    old = await directory.data_key(workspace.workspace_id)
    new = await data_keys.add(database, workspace.workspace_id, process.ids, process.vault, process.clock.now())
    directory.forget()
    assert await directory.data_key(workspace.workspace_id) == new
    assert await directory.data_key(workspace.workspace_id, old.key_id) == old
    with pytest.raises(LookupError):
        await directory.data_key(workspace.workspace_id, workspace.workspace_id)


async def test_the_directory_knows_workspaces_by_id_and_number(process, workspace, database) -> None:
    directory = Directory(database, process.clock, process.vault)
    assert await directory.workspace(workspace.workspace_id) == workspace
    assert await directory.workspace_by_number(workspace.number) == workspace
    assert await directory.workspace_by_number(workspace.number + 1) is None
    with pytest.raises(LookupError):
        await directory.workspace(process.ids.new())
