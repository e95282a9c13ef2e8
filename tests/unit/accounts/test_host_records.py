"""What the DNS says about this server, and what to publish."""

from collections.abc import Sequence
from typing import Any

import pytest

from posthouse.accounts import host_records
from posthouse.accounts.host_records import SENTENCES, Fact, HostFinding, State
from posthouse.model.dns import Answer, DnsStatus, MxRecord
from posthouse.runtime.settings import Settings

HOST = "mail.host.test"


class Names:
    """A DNS with these records."""

    def __init__(self, **records: tuple[Any, ...]) -> None:
        self.records: dict[str, tuple[Any, ...]] = {name.replace("_", "."): value for name, value in records.items()}

    def _answer(self, name: str) -> Answer[Any]:
        found = self.records.get(name, ())
        return Answer(DnsStatus.NOERROR if found else DnsStatus.NXDOMAIN, found)

    async def addresses(self, host: str, families: Sequence[int] = (4, 6)) -> Answer[str]:
        del families
        return self._answer(host)

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return self._answer(f"mx {domain}")

    async def txt(self, name: str) -> Answer[str]:
        return self._answer(f"txt {name}")

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        assert rdtype == "PTR"
        return self._answer(name)


def settings(*sources: str) -> Settings:
    return Settings().with_("server", hostname=HOST).with_("delivery", sources=sources)


@pytest.mark.parametrize(
    ("addresses", "local", "fact", "fix"),
    [
        (("192.0.2.1",), ("127.0.0.1", "192.0.2.1"), Fact.NAME_HERE, ""),
        (("192.0.2.1",), ("127.0.0.1", "10.0.0.7", "fe80::1"), Fact.NAME_HERE, ""),
        (("192.0.2.1",), ("192.0.2.9",), Fact.NAME_ELSEWHERE, "mail.host.test. 3600 IN A 192.0.2.9"),
        ((), ("2001:db8::9",), Fact.NAME_UNKNOWN, "mail.host.test. 3600 IN AAAA 2001:db8::9"),
        ((), ("10.0.0.7",), Fact.NAME_UNKNOWN, ""),
    ],
)
def test_the_name_of_the_server_leads_here(
    addresses: tuple[str, ...], local: tuple[str, ...], fact: Fact, fix: str
) -> None:
    found = host_records.of_name(HOST, addresses, local)
    assert (found.fact, found.fix) == (fact, fix)


@pytest.mark.parametrize(
    ("address", "pointers", "confirmed", "fact", "state"),
    [
        ("192.0.2.1", (HOST,), (HOST,), Fact.CONFIRMED, State.RIGHT),
        ("192.0.2.1", (), (), Fact.NO_POINTER, State.WRONG),
        ("2001:db8::1", (), (), Fact.NO_POINTER_V6, State.WRONG),
        ("192.0.2.1", ("dyn-1.isp.test",), (), Fact.NOT_CONFIRMED, State.WRONG),
        ("192.0.2.1", ("vps-1.isp.test",), ("vps-1.isp.test",), Fact.OTHER_NAME, State.WEAK),
    ],
)
def test_an_address_is_looked_up_forth_and_back(
    address: str, pointers: tuple[str, ...], confirmed: tuple[str, ...], fact: Fact, state: State
) -> None:
    found = host_records.of_sender(address, [HOST], pointers, confirmed)
    assert (found.fact, found.state) == (fact, state)


async def look(names: Names, *sources: str) -> list[tuple[Fact, str]]:
    found = await host_records.look(settings(*sources), names, ("127.0.0.1",))
    return [(each.fact, each.about) for each in found]


async def test_everything_in_order() -> None:
    names = Names()
    names.records = {
        HOST: ("192.0.2.1",),
        "1.2.0.192.in-addr.arpa": (f"{HOST}.",),
        "mx bounces.mail.host.test": (MxRecord(10, HOST),),
        "txt bounces.mail.host.test": ("v=spf1 a:mail.host.test -all",),
        "mx returnto.mail.host.test": (MxRecord(10, HOST),),
    }
    assert await look(names) == [
        (Fact.NAME_HERE, HOST),
        (Fact.CONFIRMED, "192.0.2.1"),
        (Fact.NO_SPF, "returnto.mail.host.test"),
        (Fact.RETURNS, "bounces.mail.host.test"),
    ]


async def test_each_source_is_looked_at_under_the_name_it_says() -> None:
    names = Names()
    names.records = {
        HOST: ("192.0.2.1",),
        "2.2.0.192.in-addr.arpa": ("out.host.test.",),
        "out.host.test": ("192.0.2.2",),
    }
    found = await look(names, "192.0.2.2 out.host.test", "10.0.0.7", "2001:db8::2")
    assert found[1:4] == [
        (Fact.AT_HOME, "10.0.0.7"),
        (Fact.CONFIRMED, "192.0.2.2"),
        (Fact.NO_POINTER_V6, "2001:db8::2"),
    ]


async def test_a_server_without_a_name_in_the_dns_hears_of_that_first() -> None:
    assert await look(Names()) == [(Fact.NAME_UNKNOWN, HOST)]


def test_every_fact_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Fact)
    for fact in Fact:
        assert HostFinding(fact, State.WEAK, "x", {"value": "y"}).sentence.endswith(".")


def test_lines_to_publish() -> None:
    assert host_records.pointer_line("192.0.2.1", HOST) == "1.2.0.192.in-addr.arpa. 3600 IN PTR mail.host.test."
    assert host_records.address_line(HOST, "2001:db8::1") == "mail.host.test. 3600 IN AAAA 2001:db8::1"
