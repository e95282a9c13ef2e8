"""Shaping rules: which table counts, what is wrong with a file, and what comes with Posthouse."""

from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from posthouse.delivery import rules, shaping_file
from posthouse.delivery.backoff import Do
from posthouse.delivery.rates import Rate
from posthouse.delivery.rules import SHIPPED, File, Limits, Rulebook, RulesError, load
from posthouse.delivery.shaping_file import LOOK_S, ShapingFile
from posthouse.model.limits import SHAPING_FILE_OCTETS
from posthouse.model.words import Pool
from posthouse.runtime.settings import Settings

GMAIL = ("gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com")
MARKETING, TRANSACTIONAL = Pool.MARKETING, Pool.TRANSACTIONAL


def book(own: str = "") -> Rulebook:
    return load(shaping_file.shipped(), File("own.toml", own.encode()))


def limits(
    own: str = "", pool: Pool = MARKETING, domain: str = "example.org", site: str = "s", hosts: Any = GMAIL
) -> Limits:
    return book(own).limits(pool, domain, site, hosts)


def problems(own: str) -> tuple[str, ...]:
    with pytest.raises(RulesError) as raised:
        book(own)
    return raised.value.problems


# --- What is shipped


@pytest.mark.parametrize(
    ("host", "group", "connections", "mails", "tls"),
    [
        ("mx.example.org", "site", 10, 100, "opportunistic"),
        ("gmail-smtp-in.l.google.com", "google", 5, 50, "required"),
        ("aspmx2.googlemail.com", "google", 5, 50, "required"),
        ("mta5.am0.yahoodns.net", "yahoo", 10, 20, "opportunistic"),
        ("hotmail-com.olc.protection.outlook.com", "outlook", 5, 50, "opportunistic"),
        ("example-com.mail.protection.outlook.com", "microsoft365", 5, 50, "opportunistic"),
        ("example-com.a-v1.mx.microsoft", "microsoft365", 5, 50, "opportunistic"),
        ("mx01.mail.icloud.com", "apple", 10, 5, "opportunistic"),
        ("mx1h1.comcast.net", "comcast", 25, 1_000, "required"),
        ("eu-smtp-inbound-1.mimecast.com", "site", 10, 100, "opportunistic"),  # each region counts for itself
        ("smtp-in.orange.fr", "orange", 2, 100, "required"),
    ],
)
def test_the_shipped_file_knows_the_large_receivers(
    host: str, group: str, connections: int, mails: int, tls: str
) -> None:
    found = limits(site="site", hosts=[host])
    assert (found.group, found.connections, found.mails_per_connection, found.tls) == (group, connections, mails, tls)


def test_unknown_receivers_get_the_default() -> None:
    found = limits(hosts=["mx.example.org"])
    assert (found.rule, found.provider) == ("default", "")
    assert found.mail_rates == (Rate(100, 1.0),)
    assert found.connection_rate == Rate(100, 60.0)
    assert found.remember_broken_tls_s == 3 * 86_400


def test_a_known_receiver_is_named() -> None:
    found = limits()
    assert (found.rule, found.provider) == ("google in shaping.toml", "google")


def test_a_fixed_route_is_the_operators_own_affair() -> None:
    found = limits(site="smtp.google.com:25")
    assert (found.group, found.provider) == ("smtp.google.com:25", "")
    assert (found.mail_rates, found.connection_rate) == ((), None)
    assert (found.connections, found.mails_per_connection) == (20, 1_000)


def test_untouched_settings_say_what_the_shipped_default_says() -> None:
    settings, found = Settings(), limits(hosts=["mx.example.org"])
    assert found.connections == settings.delivery.connections_per_site
    assert found.mails_per_connection == settings.delivery.mails_per_connection
    assert found.tls == settings.delivery.tls
    assert shaping_file.said_in(settings) == []


# --- Whose hosts


@pytest.mark.parametrize(
    ("hosts", "provider"),
    [
        (["ASPMX.L.GOOGLE.COM."], "google"),
        (["aspmx.l.google.com", "mx.example.org"], ""),  # a mix is nobody's
        ([], ""),
        (["notgoogle.com"], ""),
        (["google.com"], "google"),
        (["google.com.example.org"], ""),
    ],
)
def test_a_provider_is_known_when_all_hosts_are_its_own(hosts: list[str], provider: str) -> None:
    assert limits(hosts=hosts).provider == provider


def test_the_longest_end_of_a_host_name_decides() -> None:
    own = '[provider.bank]\nmx_suffix = ".bank.google.com"\nconnections = 1'
    assert limits(own, hosts=["mx.bank.google.com"]).rule == "bank in own.toml"
    assert limits(own, hosts=["mx.google.com"]).rule == "google in shaping.toml"


# --- Which table counts


@pytest.mark.parametrize(
    ("own", "connections", "rule"),
    [
        ("", 5, "google in shaping.toml"),
        ("[default]\nconnections = 8", 5, "google in shaping.toml"),
        ("[default.marketing]\nconnections = 8", 5, "google in shaping.toml"),
        ("[provider.google]\nconnections = 4", 4, "google in own.toml"),
        ("[provider.google.marketing]\nconnections = 3", 3, "google in own.toml"),
        ("[provider.google]\nconnections = 4\n[provider.google.marketing]\nconnections = 3", 3, "google in own.toml"),
        ("[provider.google.transactional]\nconnections = 3", 5, "google in shaping.toml"),
        ('[domain."example.org"]\nconnections = 2', 2, "example.org in own.toml"),
        ('[domain."example.org".marketing]\nconnections = 1', 1, "example.org in own.toml"),
        ('[domain."example.org"]\ntls = "verified"', 5, "example.org in own.toml"),
        ('[domain."example.net"]\nconnections = 2', 5, "google in shaping.toml"),
    ],
)
def test_the_most_specific_table_that_names_a_number_wins(own: str, connections: int, rule: str) -> None:
    found = limits(own)
    assert (found.connections, found.rule) == (connections, rule)


def test_numbers_nobody_changed_stay() -> None:
    found = limits("[provider.google]\nconnections = 4")
    assert (found.mails_per_connection, found.tls, found.after_421) == (50, "required", "end")


def test_a_domain_with_its_own_table_is_counted_by_itself() -> None:
    own = '[domain."example.org".marketing]\nconnections = 1'
    assert limits(own).group == "example.org"
    assert limits(own, domain="example.com").group == "google"


def test_limits_can_be_lifted() -> None:
    own = '[default]\nmail_rates = []\nconnection_rate = "none"'
    found = limits(own)
    assert (found.mail_rates, found.connection_rate) == ((), None)


def test_several_rates_hold_together() -> None:
    assert limits('[provider.google]\nmail_rates = ["10/s", "5000/d"]').mail_rates == (Rate(10, 1), Rate(5_000, 86_400))


def test_settings_stand_between_the_two_files() -> None:
    settings = Settings().with_("delivery", connections_per_site=7).with_("marketing", mails_per_second=2.5)
    said = shaping_file.said_in(settings)
    over = load(shaping_file.shipped(), None, said).limits(MARKETING, "x", "site", ["mx.example.org"])
    assert (over.connections, over.mail_rates, over.rule) == (7, (Rate(9_000, 3_600.0),), "default in the settings")
    own = File("own.toml", b"[default]\nconnections = 20")
    assert load(shaping_file.shipped(), own, said).limits(TRANSACTIONAL, "x", "site", []).connections == 20
    assert load(shaping_file.shipped(), None, said).limits(MARKETING, "x", "site", GMAIL).connections == 5


@pytest.mark.parametrize("site", ["site", "smtp.relay.example:25"])
def test_a_pool_of_the_settings_goes_over_what_they_say_for_all(site: str) -> None:
    settings = Settings().with_("delivery", connections_per_site=7).with_("marketing", connections_per_site=3)
    found = load(shaping_file.shipped(), None, shaping_file.said_in(settings))
    assert found.limits(MARKETING, "x", site, []).connections == 3
    assert found.limits(TRANSACTIONAL, "x", site, []).connections == 7


def test_every_number_comes_from_a_table_that_is_named() -> None:
    tables = book("[provider.google.marketing]\nconnections = 3").tables(MARKETING, "x", "s", GMAIL)
    assert [(table.name, table.file) for table in tables] == [
        ("default", SHIPPED),
        ("provider.google", SHIPPED),
        ("provider.google.marketing", "own.toml"),
    ]


# --- Actions


def test_the_most_specific_actions_come_first_and_own_ones_before_shipped_ones() -> None:
    own = """
    [[provider.google.action]]
    name = "mine"
    match = "any words"
    do = "suspend"
    for = "2h"
    """
    names = [action.name for action in limits(own, TRANSACTIONAL).actions]
    assert names == [
        "mine",
        "unusual rate from our address",
        "low reputation of our address",
        "address reputation",
        "greylisting",
    ]


def test_an_action_of_the_same_name_is_replaced() -> None:
    own = '[[default.action]]\nname = "address reputation"\nmatch = "server busy"\ndo = "ignore"'
    found = [action for action in limits(own).actions if action.name == "address reputation"]
    assert [(action.do, action.rule) for action in found] == [(Do.IGNORE, "default in own.toml")]


def test_transactional_mail_is_slowed_less_by_what_is_held_against_an_address() -> None:
    slow = {
        pool: next(action for action in limits(pool=pool, hosts=["mx.example.org"]).actions if action.do is Do.SLOW)
        for pool in Pool
    }
    assert slow[MARKETING].rate == Rate(1, 60.0)
    assert slow[MARKETING].connections == 1
    assert slow[MARKETING].for_s == 90 * 60
    assert slow[TRANSACTIONAL].for_s < slow[MARKETING].for_s


# --- What is wrong

ACTION = "[[default.action]]\n"


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ("connections = 3\n", "own.toml: connections: there is no such table; there are default, route, provider, domain and warmup"),
        ("[default]\nconections = 3", "own.toml: default.conections: there is no such key; there are connections, "),
        ("[default]\nconnections = 0", "own.toml: default.connections: 0 is no whole number from 1 to 1000000"),
        ("[default]\nconnections = true", "own.toml: default.connections: True is no whole number"),
        ("[default]\nconnections = '3'", "own.toml: default.connections: '3' is no whole number"),
        ("[default]\nmail_rates = ['1/week']", "own.toml: default.mail_rates: '1/week' is no rate"),
        ("[default]\nmail_rates = [3]", "own.toml: default.mail_rates: 3 is no text"),
        ("[default]\nconnection_rate = 3", "own.toml: default.connection_rate: 3 is no text"),
        ("[default]\nidle = '0s'", "own.toml: default.idle: '0s' is no time at all"),
        ("[default]\nidle = '5'", "own.toml: default.idle: '5' is no duration"),
        ("[default]\ntls = 'maybe'", "own.toml: default.tls: 'maybe' is none of opportunistic, required, verified, off"),
        ("[default]\nipv4_only = 1", "own.toml: default.ipv4_only: 1 is neither true nor false"),
        ("[default]\nafter_421 = 'stop'", "own.toml: default.after_421: 'stop' is none of next, end"),
        ("default = 3", "own.toml: default: is no table"),
        ("[default]\nmarketing = 3", "own.toml: default.marketing: is no table"),
        ("[default]\nmx_suffix = '.x'", "own.toml: default.mx_suffix: there is no such key"),
        ("[default.marketting]\nconnections = 3", "own.toml: default.marketting: there is no such key"),
        ("[provider.google.marketing]\nshared = true", "own.toml: provider.google.marketing.shared: there is no such key"),
        ("[provider.google]\nmx_suffix = 'google.com'", "own.toml: provider.google.mx_suffix: 'google.com' is no end of a host name"),
        ("[provider.googel]\nconnections = 3", "own.toml: provider.googel: lacks mx_suffix, so it is nobody"),
        ("[provider.googel.marketing]\nconnections = 3", "own.toml: provider.googel: lacks mx_suffix"),
        ("[provider.g]\nmx_suffix = '.google.com'", "own.toml: provider.g: mx_suffix .google.com is also that of provider.google"),
        ("[provider.'A B']\nmx_suffix = '.x.example'", "own.toml: provider.A B: is not a name for that"),
        ("[domain.'Example.ORG']\nconnections = 3", 'own.toml: domain."Example.ORG": is not a name for that'),
        ("[domain.'example.org']\nconnections = -1", 'own.toml: domain."example.org".connections: -1 is no whole number'),
        (ACTION + "do = 'ignore'", "own.toml: default.action.1: lacks name"),
        (ACTION + "name = 'a'\nmatch = 'x'", "own.toml: default.action.1: lacks do"),
        (ACTION + "name = 'a'\ndo = 'ignore'", "own.toml: default.action.1: lacks match or codes"),
        (ACTION + "name = 'a'\nmatch = '*'\ndo = 'ignore'", "own.toml: default.action.1.match: '*' would match every reply"),
        (ACTION + "name = 'a'\nmatch = 'x'\ndo = 'suspend'", "own.toml: default.action.1: lacks for: how long does it suspend?"),
        (ACTION + "name = 'a'\nmatch = 'x'\ndo = 'slow'\nfor = '1h'", "own.toml: default.action.1: lacks rate or connections"),
        (ACTION + "name = 'a'\nmatch = 'x'\ndo = 'ignore'\nfor = '1h'", "own.toml: default.action.1: for would have no effect when it does ignore"),
        (ACTION + "name = 'a'\nmatch = 'x'\ndo = 'suspend'\nfor = '1h'\nrate = '1/s'", "own.toml: default.action.1: rate would have no effect"),
        (ACTION + "name = 'a'\nmatch = 'x'\ndo = 'stop'", "own.toml: default.action.1.do: 'stop' is none of suspend, slow, ignore, defer, bounce"),
        (ACTION + "name = 'a'\ncodes = ['42']\ndo = 'ignore'", "own.toml: default.action.1.codes: '42' is no reply code"),
        (ACTION + "name = 'a'\ncodes = ['2.7.1']\ndo = 'ignore'", "own.toml: default.action.1.codes: '2.7.1' is no reply code"),
        (ACTION + "name = 'a'\nmatch = 'x'\nstages = ['helo']\ndo = 'ignore'", "own.toml: default.action.1.stages: 'helo' is none of local, "),
        (ACTION + "name = 'a'\nmatch = 'x'\ndo = 'suspend'\nfor = '1h'\nafter = 1000", "own.toml: default.action.1.after: more than 100"),
        ("[default]\naction = 3", "own.toml: default.action: is no list: write [[default.action]]"),
        ("[warmup.plan.mine]\n[warmup.plan.mine.google]\ndaily = [1]", "own.toml: warmup.plan.mine: lacks daily"),
        ("[warmup.plan.default.googel]\ndaily = [1]", "own.toml: warmup.plan.default.googel: there is no provider googel"),
        ("[warmup.plan.default]\ndaily = [0]", "own.toml: warmup.plan.default.daily: 0 is no whole number"),
        ("[warmup.plan.default]\ndaily = []", "own.toml: warmup.plan.default.daily: is no list of 1 to 366"),
        ("[warmup.sources.'192.0.2.2']\nsince = 2026-11-20\nplan = 'x'", 'own.toml: warmup.sources."192.0.2.2": plan: there is no plan x'),
        ("[warmup.sources.'192.0.2.2']\nsince = '2026-11-20'\nplan = 'default'", 'own.toml: warmup.sources."192.0.2.2".since: \'2026-11-20\' is no date'),
        ("[warmup.sources.'192.0.2.2']\nsince = 2026-11-20T10:00:00Z\nplan = 'default'", 'own.toml: warmup.sources."192.0.2.2".since: '),
        ("[warmup.sources.'192.0.2.2']\nplan = 'default'", 'own.toml: warmup.sources."192.0.2.2": lacks since'),
        ("[warmup.sources.mail]\nsince = 2026-11-20\nplan = 'default'", "own.toml: warmup.sources.mail: 'mail' does not appear to be"),
        ("[warmup.source]\n", "own.toml: warmup.source: there is no such table"),
        ("warmup = 3", "own.toml: warmup: is no table"),
        ("[default", "own.toml: is not TOML: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_table_and_key(own: str, problem: str) -> None:
    found = problems(own)
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert len(problems("[default]\nconnections = 0\nidle = 'x'\n[provider.google]\ntls = 'x'\n" + ACTION)) == 4


def test_neither_a_giant_file_nor_foreign_octets_are_read() -> None:
    for content in (b"#" * (SHAPING_FILE_OCTETS + 1), b"\xff\xfe"):
        with pytest.raises(RulesError):
            load(shaping_file.shipped(), File("own.toml", content))


def test_a_default_that_lacks_a_number_is_refused() -> None:
    with pytest.raises(RulesError, match="default: lacks connections, mails_per_connection"):
        load(File("bare.toml", b"[default]\nidle = '5s'"))


# --- Warm-up


def test_an_address_is_warmed_up_by_the_plan_it_is_listed_with() -> None:
    own = "[warmup.sources.'2001:DB8:0::2']\nsince = 2026-11-20\nplan = 'default'"
    found = book(own).warmups.plan("2001:db8::2", "outlook")
    assert found is not None
    assert (found[0].daily[:3], str(found[1])) == ((20, 50, 100), "2026-11-20")


def test_nobody_is_warmed_up_unless_listed() -> None:
    assert rules.load(shaping_file.shipped()).warmups.sources == {}


# --- The file as it changes


def watched(path: Path) -> ShapingFile:
    return ShapingFile(Settings().with_("delivery", shaping_file=path), structlog.get_logger())


def connections(file: ShapingFile) -> int:
    return file.rulebook.limits(MARKETING, "x", "s", []).connections


def test_a_changed_file_is_in_force_at_the_next_look(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[default]\nconnections = 3")
    file = watched(path)
    assert (connections(file), file.version, file.maybe_reload(0.0)) == (3, 1, False)
    path.write_text("[default]\nconnections = 14")
    assert not file.maybe_reload(LOOK_S / 2), "not so soon"
    assert file.maybe_reload(LOOK_S)
    assert (connections(file), file.version) == (14, 2)
    assert not file.maybe_reload(LOOK_S * 2)


def test_a_wrong_file_is_told_once_and_the_last_good_rules_stay(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[default]\nconnections = 3")
    file = watched(path)
    path.write_text("[default]\nconnections = 'many'")
    with capture_logs() as logs:
        assert not file.maybe_reload(0.0)
        assert not file.maybe_reload(LOOK_S)
    assert [line["event"] for line in logs] == ["shaping.refused"]
    assert "default.connections" in logs[0]["problems"][0]
    assert (connections(file), file.version) == (3, 1)
    path.write_text("[default]\nconnections = 4")
    assert file.maybe_reload(LOOK_S * 2)


def test_a_file_that_vanishes_leaves_its_rules_behind(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[default]\nconnections = 3")
    file = watched(path)
    path.unlink()
    with capture_logs() as logs:
        assert not file.maybe_reload(0.0)
    assert "cannot be read" in logs[0]["problems"][0]
    assert connections(file) == 3


def test_a_file_that_is_wrong_from_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="cannot be read"):
        watched(tmp_path / "none.toml")


def test_without_a_file_of_ones_own_the_shipped_rules_hold() -> None:
    file = ShapingFile(Settings(), structlog.get_logger())
    assert not file.maybe_reload(0.0)
    assert connections(file) == 10
