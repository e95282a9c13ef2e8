"""`posthouse shaping`: what it prints, and how it ends."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lab_servers import name_server
from posthouse.cli.shaping import check, show, warm_up
from posthouse.cli.world import Where
from posthouse.model.words import Pool

OWN = """
[provider.google.marketing]
connections = 3

[domain."example.net"]
mail_rates = ["5/min"]

[[domain."example.net".action]]
name = "known quirk"
match = "come back tomorrow"
do = "defer"

[warmup.sources."192.0.2.2"]
since = 2020-01-01
plan = "default"
"""


@pytest.fixture
def where(tmp_path: Path) -> Where:
    """Settings with a shaping file of one's own, a smart host for one domain, and no DNS."""
    (tmp_path / "own.toml").write_text(OWN)
    settings = f'[delivery]\nshaping_file = "{tmp_path}/own.toml"\nresolvers = ["127.0.0.1:9"]\n'
    (tmp_path / "posthouse.toml").write_text(settings + 'routes = {"relayed.example" = "relay.example:25"}\n')
    return Where(config=tmp_path / "posthouse.toml")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    """What the command printed as JSON."""
    return lambda: msgspec.json.decode(capsys.readouterr().out)


def test_a_domain_is_shown_with_the_table_each_number_comes_from(where: Where, said: Callable[[], Any]) -> None:
    show("gmail.com", pool=Pool.MARKETING, mx=("gmail-smtp-in.l.google.com",), as_json=True, where=where)
    shown = said()
    own = where.config.parent / "own.toml" if where.config else ""
    assert shown["rule"] == f"google in {own}"
    assert shown["group"] == "google"
    assert shown["numbers"]["connections"] == {"value": 3, "from": f"[provider.google.marketing] in {own}"}
    assert shown["numbers"]["tls"] == {"value": "required", "from": "[provider.google] in shaping.toml"}
    assert shown["numbers"]["mail_rates"] == {"value": ["100/s"], "from": "[default] in shaping.toml"}
    assert shown["actions"][-1]["name"] == "address reputation"


def test_people_read_rates_times_and_what_happens_then(where: Where, capsys: pytest.CaptureFixture[str]) -> None:
    show("example.net", mx=("mx1.example.net",), where=where)
    out = capsys.readouterr().out
    assert "the numbers are for this domain" in out
    assert "5/min" in out
    assert "known quirk" in out
    assert "slow to 20/min over 1 connection for 15min" in out


def test_a_domain_with_a_fixed_route_is_shown_by_that(where: Where, said: Callable[[], Any]) -> None:
    show("Relayed.Example", as_json=True, where=where)
    shown = said()
    assert (shown["site"], shown["rule"]) == ("relay.example:25", "fixed routes in shaping.toml")
    assert shown["numbers"]["mail_rates"]["value"] == []


def test_all_receivers_are_listed_with_own_domains(where: Where, said: Callable[[], Any]) -> None:
    show(as_json=True, where=where)
    names = [each["name"] for each in said()]
    assert names[:2] == ["google", "yahoo"]
    assert names[-3:] == ["example.net", "everyone else", "fixed routes"]


def test_exchanges_are_asked_of_the_dns(tmp_path: Path, said: Callable[[], Any], resolver: str) -> None:
    (tmp_path / "posthouse.toml").write_text(f'[delivery]\nresolvers = ["{resolver}"]\n')
    show("example.com", as_json=True, where=Where(config=tmp_path / "posthouse.toml"))
    shown = said()
    assert shown["hosts"] == ["example-com.mail.protection.outlook.com"]
    assert shown["provider"] == "microsoft365"


def test_a_domain_without_a_way_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], resolver: str
) -> None:
    (tmp_path / "posthouse.toml").write_text(f'[delivery]\nresolvers = ["{resolver}"]\n')
    with pytest.raises(SystemExit, match="1"):
        show("null.example", where=Where(config=tmp_path / "posthouse.toml"))
    assert "null.example does not accept mail" in capsys.readouterr().err


def test_rules_that_cannot_be_used_end_with_2_and_every_problem(
    where: Where, capsys: pytest.CaptureFixture[str]
) -> None:
    assert where.config
    (where.config.parent / "own.toml").write_text("[default]\nconnections = 0\nidle = 3\n")
    with pytest.raises(SystemExit, match="2"):
        show(where=where)
    assert capsys.readouterr().err.count("own.toml: default.") == 2


def test_a_good_file_passes_the_check(where: Where, capsys: pytest.CaptureFixture[str]) -> None:
    assert where.config
    with pytest.raises(SystemExit, match="0"):
        check(where.config.parent / "own.toml")
    assert capsys.readouterr().out == "The rules are fine.\n"


def test_a_check_names_what_is_wrong_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.toml").write_text("[provider.google]\nconections = 1\n")
    with pytest.raises(SystemExit, match="2"):
        check(tmp_path / "own.toml", as_json=True)
    problems = msgspec.json.decode(capsys.readouterr().out)
    assert len(problems) == 1
    assert "provider.google.conections: there is no such key" in problems[0]


def test_a_warm_address_sends_a_backlog_at_once(where: Where, said: Callable[[], Any]) -> None:
    warm_up("192.0.2.2", backlog=1_000_000, as_json=True, where=where)
    forecast = said()
    assert len(forecast) == 1
    assert (forecast[0]["cap"], forecast[0]["sent"], forecast[0]["left"]) == (None, 1_000_000, 0)


def test_a_plan_can_be_tried_before_an_address_follows_it(where: Where, capsys: pytest.CaptureFixture[str]) -> None:
    warm_up("192.0.2.3", backlog=1_000, provider="outlook", plan="default", where=where)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["DAY", "MAY", "SEND", "SENDS", "LEFT"]
    assert lines[1].split()[1:] == ["20", "20", "980"]
    assert lines[-1].split()[-1] == "0"


@pytest.mark.parametrize(
    ("source", "provider", "plan", "reason"),
    [
        ("192.0.2.3", "", "", "192.0.2.3 is not being warmed up"),
        ("192.0.2.2", "googel", "", "There is no provider googel"),
        ("192.0.2.2", "", "fast", "There is no plan fast; there are default, quick."),
    ],
)
def test_what_cannot_be_forecast_is_refused_with_the_reason(
    where: Where, capsys: pytest.CaptureFixture[str], source: str, provider: str, plan: str, reason: str
) -> None:
    with pytest.raises(SystemExit, match="1"):
        warm_up(source, backlog=10, where=where, provider=provider, plan=plan)
    assert reason in capsys.readouterr().err


@pytest.fixture(scope="module")
def resolver() -> Iterator[str]:
    """A name server in a thread: the commands bring an event loop of their own."""
    zone = {
        ("example.com.", "MX"): ["0 example-com.mail.protection.outlook.com."],
        ("null.example.", "MX"): ["0 ."],
    }
    loop, address, done = asyncio.new_event_loop(), [""], asyncio.Event()
    ready = threading.Event()

    async def serve() -> None:
        async with name_server(zone) as server:
            address[0] = server.address
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield address[0]
    loop.call_soon_threadsafe(done.set)
    thread.join(10)
    loop.close()
