"""Lists of addresses: read from whatever people export, and judged."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.audience import hygiene, mail_domains
from posthouse.audience.hygiene import Advice, DomainState, Entry, Examined, Finding
from posthouse.model.dns import Answer, DnsStatus, MxRecord


def written(text: str) -> list[tuple[int, str]]:
    return [(entry.line, entry.written) for entry in hygiene.read(text)]


@pytest.mark.parametrize(
    "text",
    [
        "ann@a.test\nbob@b.test\n",
        "\ufeffEmail\r\nann@a.test\r\nbob@b.test\r\n",
        "Name;E-mail\nAnn;ann@a.test\nBob;bob@b.test\n",
        'name,email,city\n"Berg, Ann",ann@a.test,Aarhus\nBob,bob@b.test,Oslo\n',
        "1,ann@a.test\n2,bob@b.test\n",
    ],
)
def test_addresses_are_found_in_lines_and_tables(text: str) -> None:
    assert [address for _, address in written(text)] == ["ann@a.test", "bob@b.test"]


def examined(*addresses: str, **known: object) -> list[Examined]:
    states = dict.fromkeys(hygiene.domains(Entry(1, each) for each in addresses), DomainState.MAIL)
    states |= known.get("states", {})  # type: ignore[arg-type]
    entries = [Entry(line, each) for line, each in enumerate(addresses, 1)]
    return list(hygiene.examine(entries, states, known.get("bounced", {}), known.get("opted_out", {})))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "finding", "advice", "suggestion"),
    [
        ("ann@gmail.com", None, Advice.KEEP, ""),
        ("ann@gmial.com", Finding.TYPO, Advice.CORRECT, "ann@gmail.com"),
        ("ann@gmail.co", Finding.TYPO, Advice.CORRECT, "ann@gmail.com"),
        ("ann@hotmial.com", Finding.TYPO, Advice.CORRECT, "ann@hotmail.com"),
        ("ann@outlook.con", Finding.TYPO, Advice.CORRECT, "ann@outlook.com"),
        ("ann@yahooo.com", Finding.TYPO, Advice.CORRECT, "ann@yahoo.com"),
        ("ann at a.test", Finding.INVALID, Advice.REMOVE, ""),
        ("ann@@a.test", Finding.INVALID, Advice.REMOVE, "ann@a.test"),
        ("ann@a..test", Finding.INVALID, Advice.REMOVE, "ann@a.test"),
        ("info@a.test", Finding.ROLE, Advice.REVIEW, ""),
        ("ann@mailinator.com", Finding.DISPOSABLE, Advice.REVIEW, ""),
        ("ann@mail.com", None, Advice.KEEP, ""),
    ],
)
def test_each_address_gets_its_advice(address: str, finding: Finding | None, advice: Advice, suggestion: str) -> None:
    (found,) = examined(address)
    assert found.findings == ((finding,) if finding else ())
    assert (found.advice, found.suggestion) == (advice, suggestion)


def test_duplicates_name_the_line_they_repeat() -> None:
    first, second = examined("Ann@a.test", "ann@A.test")
    assert first.findings == ()
    assert second.findings == (Finding.DUPLICATE,)
    assert second.detail == "It stands in line 1 already."


def test_what_earlier_mail_taught_and_the_dns_says_counts() -> None:
    found = examined(
        "ann@a.test", "bob@b.test", "eve@c.test", "kim@d.test",
        states={"b.test": DomainState.DEAD, "d.test": DomainState.TAKES_NO_MAIL},
        bounced={"ann@a.test": "It bounced."}, opted_out={"eve@c.test": "She left."},
    )  # fmt: skip
    assert [each.findings for each in found] == [
        (Finding.BOUNCED,), (Finding.DEAD_DOMAIN,), (Finding.OPTED_OUT,), (Finding.TAKES_NO_MAIL,),
    ]  # fmt: skip
    assert {each.advice for each in found} == {Advice.REMOVE}


def test_a_dangerous_list_is_called_so() -> None:
    summary = hygiene.summary(examined(*(f"p{n}@a.test" for n in range(18)), "broken", "alsobroken"))
    assert summary.recommendations[0] == "Remove 2 addresses that cannot receive mail (10.0% of the list)."
    assert "harm your reputation" in summary.recommendations[1]
    assert hygiene.summary([]).recommendations == ("There is no address in this list.",)
    assert hygiene.summary(examined("ann@a.test")).recommendations[0].startswith("Nothing stands against")


def test_an_address_with_two_troubles_is_one_address_and_one_is_said_as_one() -> None:
    (found,) = examined("bob@b.test", states={"b.test": DomainState.DEAD}, bounced={"bob@b.test": "It bounced."})
    assert found.findings == (Finding.BOUNCED, Finding.DEAD_DOMAIN)
    assert (
        hygiene.summary([found]).recommendations[0] == "Remove 1 address that cannot receive mail (100.0% of the list)."
    )


def test_a_domain_that_is_dead_because_it_is_misspelled_is_corrected() -> None:
    (found,) = examined("bob@gmial.com", states={"gmial.com": DomainState.DEAD})
    assert (found.advice, found.suggestion) == (Advice.CORRECT, "bob@gmail.com")
    assert hygiene.summary([found]).recommendations == (
        "Correct 1 probable typing error; ask the people where you can.",
    )


def test_a_list_is_divided_by_its_own_rows() -> None:
    text = "Name;E-mail\nAnn;ann@a.test\nBob;bob at b\nEve;eve@gmial.com\n;\nInfo;info@a.test\nAgain;ann@a.test\n"
    entries = list(hygiene.read(text))
    states = dict.fromkeys(hygiene.domains(entries), DomainState.MAIL)
    divided = hygiene.split(text, hygiene.examine(entries, states, {}, {}))
    assert list(divided.header) == ["Name", "E-mail"]
    assert [row[0] for row in divided.kept] == ["Ann", "Info"]
    assert [(each.advice, row[0]) for each, row in divided.rejected] == [
        ("remove", "Bob"), ("correct", "Eve"), ("remove", "Again"),
    ]  # fmt: skip


class Zone:
    """Three kinds of domains and one that does not answer."""

    async def mx(self, domain: str) -> Answer[MxRecord]:
        records = {"mail.test": (MxRecord(10, "mx.mail.test"),), "null.test": (MxRecord(0, ""),)}.get(domain, ())
        status = DnsStatus.TIMEOUT if domain == "silent.test" else DnsStatus.NOERROR if records else DnsStatus.NODATA
        return Answer(status, records)

    async def addresses(self, host: str) -> Answer[str]:
        return Answer(DnsStatus.NOERROR, ("192.0.2.1",)) if host == "host.test" else Answer(DnsStatus.NXDOMAIN)


async def test_a_domain_takes_mail_by_mx_or_address_unless_it_says_never() -> None:
    asked = ("mail.test", "host.test", "null.test", "gone.test", "silent.test")
    assert list((await mail_domains.ask(asked, Zone())).values()) == [
        DomainState.MAIL, DomainState.MAIL, DomainState.TAKES_NO_MAIL, DomainState.DEAD, DomainState.UNKNOWN,
    ]  # fmt: skip


async def test_domains_nobody_answers_for_in_time_are_unknown() -> None:
    class Slow(Zone):
        async def mx(self, domain: str) -> Answer[MxRecord]:
            if domain == "slow.test":
                await asyncio.sleep(60)
            return await super().mx(domain)

    states = await mail_domains.ask(("mail.test", "slow.test"), Slow(), 0.05)
    assert states == {"mail.test": DomainState.MAIL, "slow.test": DomainState.UNKNOWN}


def test_a_quotation_mark_that_never_ends_loses_nobody() -> None:
    lines = "\n".join(f"p{n}@a.test" for n in range(20_000))
    assert len(written(f'p@a.test\n"\n{lines}')) > 20_000


@given(st.text())
def test_any_text_is_some_list(text: str) -> None:
    list(hygiene.examine(list(hygiene.read(text)), {}, {}, {}))
