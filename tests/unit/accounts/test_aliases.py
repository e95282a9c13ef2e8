"""Where an alias leads, and what follows from a look at the DNS."""

from datetime import UTC, datetime, timedelta

import pytest

from posthouse.accounts.aliases import Led, Standing, follow, is_subdomain
from posthouse.model.dns import Answer, DnsStatus

NOW = datetime(2026, 11, 23, tzinfo=UTC)
EARLIER = NOW - timedelta(days=2)
HERE = Led(("mail.host.test",), arrived=True, answered=True)
ASTRAY = Led(("elsewhere.test",), arrived=False, answered=True)
NOWHERE = Led((), arrived=False, answered=True)
SILENT = Led((), arrived=False, answered=False)


def test_an_alias_needs_a_name_below_the_domain() -> None:
    assert is_subdomain("bounces.acme.test")
    assert not is_subdomain("acme.test")


@pytest.mark.parametrize(
    ("led", "problem"),
    [
        (HERE, ""),
        (ASTRAY, "The CNAME at links.acme.test leads to elsewhere.test: expected mail.host.test."),
        (
            NOWHERE,
            "There is no CNAME at links.acme.test yet: expected mail.host.test. New records take minutes, some providers up to 48 hours.",
        ),
        (SILENT, "The DNS did not answer for links.acme.test. Try again in a minute."),
    ],
)
def test_what_was_expected_and_what_is_there_are_told(led: Led, problem: str) -> None:
    assert led.problem("links.acme.test", "mail.host.test") == problem


@pytest.mark.parametrize(
    ("before", "led", "after"),
    [
        (None, HERE, Standing(None, "told")),
        (None, ASTRAY, Standing(NOW, "told")),
        (EARLIER, ASTRAY, Standing(EARLIER, "told")),  # since when it is broken, not when that was last seen
        (EARLIER, HERE, Standing(None, "told")),
        (None, SILENT, Standing(None, "before")),
        (EARLIER, SILENT, Standing(EARLIER, "before")),
    ],
)
def test_it_breaks_and_mends_with_what_the_dns_says(before: datetime | None, led: Led, after: Standing) -> None:
    assert Standing(before, "before").after(led, "told", NOW) == after


class Ring:
    """A DNS where every name is an alias of the next."""

    def __init__(self) -> None:
        self.asked = 0

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        assert rdtype == "CNAME"
        self.asked += 1
        return Answer(DnsStatus.NOERROR, (f"n{self.asked}.{name.partition('.')[2]}.",))


async def test_a_ring_of_aliases_ends() -> None:
    ring = Ring()
    led = await follow("a.acme.test", "mail.host.test", ring)
    assert (led.arrived, led.answered, len(led.chain)) == (False, True, ring.asked)
