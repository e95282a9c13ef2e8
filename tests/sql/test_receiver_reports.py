"""Reports of receivers on a real PostgreSQL: whose they are, kept once, and what their sums say."""

import gzip
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.verified import verified_domain

from posthouse.accounts import bootstrap, changes, domains, workspaces
from posthouse.accounts.workspaces import Workspace
from posthouse.intake import receiver_reports as desk
from posthouse.intake.receiver_reports import Left, Outcome, ReportDesk, ReportKind, Taken
from posthouse.intake.report_senders import Method, Proof
from posthouse.ledger import dmarc_reports, receiver_reports, tls_reports
from posthouse.model.words import ReportSource
from posthouse.runtime.postgres import Pool, transaction
from posthouse.runtime.process import Process

BEGAN = datetime(2026, 11, 20, tzinfo=UTC)
SINCE = BEGAN - timedelta(days=10)
SENDER = Proof("receiver.example", Method.SPF)


def record(ip: str, count: int, dkim: str = "pass", spf: str = "pass", disposition: str = "none") -> str:
    return f"""<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>{disposition}</disposition>
<dkim>{dkim}</dkim><spf>{spf}</spf><reason><type>forwarded</type></reason></policy_evaluated></row>
<identifiers><header_from>acme.example</header_from><envelope_from>b.acme.example</envelope_from></identifiers><auth_results>
<dkim><domain>acme.example</domain><selector>s1</selector><result>{dkim}</result></dkim>
<spf><domain>b.acme.example</domain><scope>mfrom</scope><result>{spf}</result></spf></auth_results></record>"""


def aggregate(
    *records: str, domain: str = "acme.example", org: str = "Receiver", report_id: str = "1", day: int = 0
) -> bytes:
    begin = int((BEGAN + timedelta(days=day)).timestamp())
    return f"""<feedback><report_metadata><org_name>{org}</org_name><report_id>{report_id}</report_id><date_range><begin>{begin}</begin>
<end>{begin + 86399}</end></date_range></report_metadata><policy_published><domain>{domain}</domain><p>reject</p></policy_published>
{"".join(records)}</feedback>""".encode()


def tls(*about: str, org: str = "Sender", report_id: str = "t1") -> bytes:
    return json.dumps({
        "organization-name": org, "report-id": report_id,
        "date-range": {"start-datetime": BEGAN.isoformat(), "end-datetime": (BEGAN + timedelta(days=1)).isoformat()},
        "policies": [{
            "policy": {"policy-type": "sts", "policy-domain": domain, "policy-string": ["version: STSv1"], "mx-host": ["mx.acme.example"]},
            "summary": {"total-successful-session-count": 90, "total-failure-session-count": 10},
            "failure-details": [{"result-type": "certificate-expired", "failed-session-count": 7, "sending-mta-ip": "192.0.2.9",
                                 "receiving-mx-hostname": "mx.acme.example"},
                                {"result-type": "certificate-expired", "failed-session-count": 3, "sending-mta-ip": "192.0.2.8",
                                 "receiving-mx-hostname": "mx.acme.example"}],
        } for domain in about],
    }).encode()  # fmt: skip


FAILURE = b"""From: <dmarc@receiver.example>
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: message/feedback-report

Feedback-Type: auth-failure
User-Agent: Receiver/1.0
Source-IP: 198.51.100.7
Reported-Domain: acme.example
Arrival-Date: Fri, 20 Nov 2026 13:16:24 +0000
Auth-Failure: dmarc
Delivery-Result: reject

--b--
"""


async def workspace_with(process: Process, name: str, verified: str, unverified: str = "new.example") -> Workspace:
    workspace_id = process.ids.new()
    async with changes.making(process, workspace_id, "posthouse", operator=True) as change:
        workspace = await workspaces.create(change, name)
    async with changes.making(process, workspace_id, "user:test") as change:
        await domains.add(change, unverified)
    await verified_domain(process, workspace_id, verified)
    return workspace


@pytest.fixture
async def acme(process: Process) -> Workspace:
    return await workspace_with(process, "Acme", "acme.example")


async def taken(
    process: Process, workspace: Workspace, content: bytes, source: ReportSource = ReportSource.API
) -> list[Outcome]:
    proofs = [SENDER] if source is ReportSource.MAIL else []
    return await ReportDesk(process).take(workspace, content, source, "file", proofs)


async def one(process: Process, workspace: Workspace, content: bytes) -> Outcome:
    (outcome,) = await taken(process, workspace, content)
    return outcome


async def test_a_report_is_kept_once_and_its_rows_with_it(process: Process, acme: Workspace, database: Pool) -> None:
    content = aggregate(
        record("192.0.2.1", 5), record("192.0.2.1", 2), record("203.0.113.5", 3, "fail", "fail", "reject")
    )
    assert await one(process, acme, content) == Taken(
        "file", ReportKind.DMARC, "acme.example", "Receiver", "1", new=True
    )
    again = await one(process, acme, gzip.compress(content))
    assert isinstance(again, Taken)
    assert not again.new
    assert await database.fetchval("SELECT count(*) FROM dmarc_reports") == 1
    assert await database.fetchval("SELECT count(*) FROM dmarc_rows") == 2


async def test_sources_and_days_are_sums_over_all_reports(process: Process, acme: Workspace, database: Pool) -> None:
    first = aggregate(record("192.0.2.1", 5), record("203.0.113.5", 3, "fail", "fail", "quarantine"))
    second = aggregate(
        record("192.0.2.1", 4, "fail"), record("203.0.113.5", 2, "fail", "fail", "reject"), org="Other", day=1
    )
    for content in (first, second):
        await one(process, acme, content)
    async with database.acquire() as connection:
        about = connection, acme.workspace_id, "acme.example", SINCE
        assert await dmarc_reports.totals(*about) == dmarc_reports.Totals(2, 14, 9, 2)
        found, count = await dmarc_reports.sources(*about, most=1)
        assert count == 2
        assert found == [dmarc_reports.Source("192.0.2.1", 9, 5, 9, 9, 0, 0, ("Other", "Receiver"), 2)]
        (_, bad), _ = await dmarc_reports.sources(*about, most=9)
        assert (bad.messages, bad.passed, bad.quarantined, bad.rejected) == (5, 0, 3, 2)
        assert [(each.day.day, each.passed, each.failed) for each in await dmarc_reports.days(*about)] == [
            (20, 5, 3),
            (21, 4, 2),
        ]
        row, _ = await dmarc_reports.rows_of_source(*about, "192.0.2.1", 10)
        assert (row.messages, row.dkim, row.spf, row.overrides) == (
            5,
            "acme.example/s1 pass",
            "b.acme.example mfrom pass",
            "forwarded",
        )
        assert await dmarc_reports.totals(*about[:3], BEGAN + timedelta(hours=1)) == dmarc_reports.Totals(1, 6, 4, 1)
        assert [each.domain for each in await receiver_reports.domains(connection, acme.workspace_id, SINCE)] == [
            "acme.example"
        ]


async def test_tls_reports_are_sums_over_policies_and_results(
    process: Process, acme: Workspace, database: Pool
) -> None:
    content = tls("acme.example", "stranger.example")
    outcome = await one(process, acme, content)
    assert outcome == Taken("file", ReportKind.TLS, "acme.example", "Sender", "t1", new=True)
    assert isinstance(again := await one(process, acme, content), Taken)
    assert not again.new
    async with database.acquire() as connection:
        about = connection, acme.workspace_id, "acme.example", SINCE
        assert await tls_reports.policies(*about) == [tls_reports.PolicyTotals("sts", 90, 10, 1, ("Sender",))]
        (failed,) = await tls_reports.failures(*about, most=10)
        assert (failed.result, failed.sessions, failed.sending_ips) == (
            "certificate-expired",
            10,
            ("192.0.2.8", "192.0.2.9"),
        )
        assert await tls_reports.policies(connection, acme.workspace_id, "stranger.example", SINCE) == []


async def test_failure_reports_are_kept_once(process: Process, acme: Workspace, database: Pool) -> None:
    for new in (True, False):
        outcome = await one(process, acme, FAILURE)
        assert outcome == Taken("file", ReportKind.DMARC_FAILURE, "acme.example", "Receiver/1.0", "", new=new)
    async with database.acquire() as connection:
        (failure,) = await dmarc_reports.failures(connection, acme.workspace_id, "acme.example", SINCE, 10)
    assert (failure.source_ip, failure.delivery, failure.failure) == ("198.51.100.7", "reject", "dmarc")


@pytest.mark.parametrize("domain", ["stranger.example", "notacme.example", "example", "new.example"])
async def test_a_report_about_a_domain_that_is_not_verified_here_is_left(
    process: Process, acme: Workspace, database: Pool, domain: str
) -> None:
    outcome = await one(process, acme, aggregate(record("192.0.2.1", 1), domain=domain))
    assert isinstance(outcome, Left)
    assert outcome.reason == desk.NOT_YOURS
    assert domain in outcome.detail
    assert isinstance(await one(process, acme, tls(domain)), Left)
    assert await database.fetchval("SELECT count(*) FROM dmarc_reports") == 0


async def test_the_lab_hears_about_every_domain_as_it_sends_from_every_domain(process: Process) -> None:
    started = await bootstrap.ensure(replace(process, settings=process.settings.with_("lab", enabled=True)))
    workspace = await workspaces.find(process.pool, started.workspace_id)
    assert workspace
    assert isinstance(await one(process, workspace, aggregate(domain="anything.example")), Taken)


async def test_a_name_below_a_verified_domain_belongs_to_it(process: Process, acme: Workspace) -> None:
    outcome = await one(process, acme, aggregate(record("192.0.2.1", 1), domain="News.acme.example"))
    assert isinstance(outcome, Taken)
    assert outcome.domain == "acme.example"


async def test_no_workspace_sees_the_reports_of_another(process: Process, acme: Workspace, database: Pool) -> None:
    other = await workspace_with(process, "Other", "other.example", "acme.example")
    await one(process, acme, aggregate(record("192.0.2.1", 5)))
    await one(process, acme, tls("acme.example"))
    await one(process, acme, FAILURE)
    assert isinstance(await one(process, other, aggregate(record("192.0.2.1", 5))), Left)
    async with database.acquire() as connection:
        about = connection, other.workspace_id, "acme.example", SINCE
        assert await dmarc_reports.sources(*about, most=10) == ([], 0)
        assert await dmarc_reports.days(*about) == []
        assert await dmarc_reports.rows_of_source(*about, "192.0.2.1", 10) == []
        assert await dmarc_reports.failures(*about, most=10) == []
        assert await tls_reports.policies(*about) == []
        assert await tls_reports.failures(*about, most=10) == []
        assert await receiver_reports.domains(connection, other.workspace_id, SINCE) == []
    assert isinstance(
        same := await one(process, other, aggregate(record("192.0.2.1", 5), domain="other.example")), Taken
    )
    assert same.new, "the same name of a report in another workspace is another report"


async def test_each_file_of_an_archive_is_judged_by_itself(process: Process, acme: Workspace) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.xml", aggregate(record("192.0.2.1", 1)))
        archive.writestr("b.xml", aggregate(domain="stranger.example"))
        archive.writestr("c.xml", b"<feedback>")
        archive.writestr("d.json", tls("acme.example"))
    outcomes = await taken(process, acme, buffer.getvalue())
    assert [each.reason if isinstance(each, Left) else each.kind for each in outcomes] == [
        "dmarc",
        "not_yours",
        "broken",
        "tls",
    ]


async def test_mail_alone_is_bounded_by_the_day(
    process: Process, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_reports, "REPORTS_PER_DAY", 2)
    kinds = []
    for number in range(3):
        (outcome,) = await taken(process, acme, aggregate(report_id=str(number)), ReportSource.MAIL)
        kinds.append(outcome.reason if isinstance(outcome, Left) else outcome.kind)
    assert kinds == ["dmarc", "dmarc", desk.TOO_MANY]
    assert isinstance(await one(process, acme, aggregate(report_id="4")), Taken)


@pytest.mark.parametrize(
    ("proofs", "left"),
    [
        ([], [True, True, True]),
        ([SENDER], [False, False, True]),
        ([Proof("receiver.example", Method.DKIM)], [False, False, False]),
        ([Proof("receiver.example", Method.DKIM, only_tls=True)], [True, True, False]),
    ],
)
async def test_of_a_mail_counts_what_its_sender_vouches_for(
    process: Process, acme: Workspace, proofs: list[Proof], left: list[bool]
) -> None:
    outcomes = []
    for content in (aggregate(), FAILURE, tls("acme.example")):
        outcomes += await ReportDesk(process).take(acme, content, ReportSource.MAIL, proofs=proofs)
    assert [isinstance(each, Left) and each.reason == desk.UNPROVEN for each in outcomes] == left
    named = sorted(each.organisation for each in outcomes if isinstance(each, Taken))
    async with process.pool.acquire() as connection:
        told = await receiver_reports.reporters(connection, acme.workspace_id, "acme.example", SINCE, 10)
        assert await receiver_reports.reporters(connection, process.ids.new(), "acme.example", SINCE, 10) == []
    assert sorted(each.organisation for each in told) == named
    assert {each.proven_by for each in told} == {str(each) for each in proofs if named}


async def test_old_reports_are_forgotten_with_their_rows(process: Process, acme: Workspace, database: Pool) -> None:
    await one(process, acme, aggregate(record("192.0.2.1", 5)))
    await one(process, acme, tls("acme.example"))
    await one(process, acme, FAILURE)
    now = process.clock.now()
    for later, left in ((399, 1), (401, 0)):
        async with transaction(database) as connection:
            await receiver_reports.drop_old(connection, acme.workspace_id, now + timedelta(days=later))
        for table in ("dmarc_reports", "dmarc_rows", "dmarc_failures", "tls_reports", "tls_report_policies"):
            assert await database.fetchval(f"SELECT count(*) FROM {table}") == left, table


async def test_a_report_is_there_whole_or_not_at_all(
    process: Process, acme: Workspace, database: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def columns(*_: object) -> list[list[object]]:
        raise ConnectionError("cut off")

    monkeypatch.setattr(receiver_reports, "columns", columns)
    with pytest.raises(ConnectionError):
        await one(process, acme, aggregate(record("192.0.2.1", 5)))
    assert await database.fetchval("SELECT count(*) FROM dmarc_reports") == 0
