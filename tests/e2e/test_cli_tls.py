"""`posthouse tls` as an operator types it."""

import datetime

import pytest
from tests.command_line import CommandLine
from tests.lab_servers import NameServer, name_server

from posthouse.delivery.sql import SQL
from posthouse.runtime.postgres import Pool
from posthouse.runtime.settings import Settings

TODAY = datetime.datetime.now(datetime.UTC).date()


@pytest.fixture
def posthouse(settings: Settings, owner_dsn: str) -> CommandLine:
    return CommandLine(settings.data, owner_dsn)


def resolvers(names: NameServer) -> dict[str, str]:
    return {"POSTHOUSE_DELIVERY_RESOLVERS": f'["{names.address}"]'}


async def test_show_tells_the_rule_for_each_host(posthouse: CommandLine, database: Pool) -> None:
    now = datetime.datetime.now(datetime.UTC)
    await database.execute(SQL.keep_sts_policy, "sts.test", "7", "enforce", ["mx.sts.test"], 86_400, now)
    zone = {
        ("dane.test.", "MX"): ["10 mx.dane.test.", "20 mx2.dane.test."],
        ("mx.dane.test.", "A"): ["198.41.0.4", "198.41.0.5"],
        ("mx2.dane.test.", "A"): ["198.41.0.6"],
        ("_25._tcp.mx.dane.test.", "TLSA"): ["3 1 1 " + "ab" * 32],
        ("sts.test.", "MX"): ["10 mx.sts.test.", "20 rogue.test."],
        ("mx.sts.test.", "A"): ["198.41.0.7"],
        ("rogue.test.", "A"): ["198.41.0.8"],
    }
    async with name_server(zone) as names:
        names.secure, names.insecure = True, {"sts.test."}
        dane = (await posthouse("tls", "show", "Dane.test", "--json", **resolvers(names))).json()
        assert (dane["domain"], dane["dnssec"], dane["mta_sts"]) == ("dane.test", True, None)
        assert [(each["host"], each["tlsa"]) for each in dane["hosts"]] == [
            ("mx.dane.test", ["3 1 1 " + "ab" * 32]),
            ("mx2.dane.test", None),
        ]
        sts = (await posthouse("tls", "show", "sts.test", "--json", **resolvers(names))).json()
        assert (sts["dnssec"], sts["mta_sts"]["mode"], sts["site"]) == (False, "enforce", "mx.sts.test+mta-sts")
        told = await posthouse("tls", "show", "sts.test", **resolvers(names))
        assert "No DNSSEC, so DANE does not apply." in told.out
        assert "MTA-STS policy 7, mode enforce, for mx.sts.test; in force until" in told.out
        assert "the domain's MTA-STS policy is enforced." in told.out
        assert "rogue" not in told.out


async def test_show_says_when_mail_has_nowhere_to_go(posthouse: CommandLine) -> None:
    async with name_server({("null.test.", "MX"): ["0 ."]}) as names:
        told = await posthouse("tls", "show", "null.test", **resolvers(names))
        assert (told.status, told.out) == (
            1,
            "Mail for null.test has nowhere to go: 556 5.1.10 domain null.test does not accept mail (null MX)\n",
        )
        assert (await posthouse("tls", "show", "no domain", **resolvers(names))).status == 2


async def test_show_names_a_fixed_route(posthouse: CommandLine) -> None:
    told = await posthouse("tls", "show", "there.test", POSTHOUSE_DELIVERY_ROUTES='{"*": "localhost:2525"}')
    assert "A fixed route of the settings leads to localhost:2525." in told.out
    assert "Encrypted where offered, without proof." in told.out


async def test_report_counts_the_sessions_of_a_day(posthouse: CommandLine, database: Pool) -> None:
    days = [TODAY, TODAY, TODAY - datetime.timedelta(days=1)]
    rows = ["there.test"] * 3, ["sts"] * 3, ["mx.there.test"] * 3, ["success", "certificate-expired", "success"]
    await database.execute(SQL.add_tls_results, days, *rows, [1_200, 3, 7])
    assert (await posthouse("tls", "report", "--json")).json() == [
        {
            "domain": "there.test",
            "policy": "sts",
            "mx": "mx.there.test",
            "result": "certificate-expired",
            "sessions": 3,
        },
        {"domain": "there.test", "policy": "sts", "mx": "mx.there.test", "result": "success", "sessions": 1_200},
    ]
    assert "1,200" in (await posthouse("tls", "report", "--domain", "There.test")).out
    yesterday = (await posthouse("tls", "report", "--day", str(days[2]), "--json")).json()
    assert [each["sessions"] for each in yesterday] == [7]
    assert "Nothing was counted" in (await posthouse("tls", "report", "--domain", "other.test")).out
