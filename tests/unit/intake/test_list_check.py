"""Whom an installation asks about the domains of a list."""

from datetime import UTC, datetime

from posthouse.audience.hygiene import Finding
from posthouse.intake import list_check
from posthouse.intake.list_check import Domains
from posthouse.model.dns import Answer, DnsStatus, MxRecord
from posthouse.runtime.settings import Settings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Empty:
    """A DNS that knows nobody."""

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return Answer(DnsStatus.NXDOMAIN)

    async def addresses(self, host: str) -> Answer[str]:
        return Answer(DnsStatus.NXDOMAIN)


async def dead(settings: Settings) -> list[str]:
    domains = Domains.of(settings, Empty())
    report = await list_check.check(None, None, "ann@lab.test\nann@gone.test\n", domains, NOW)
    return [each.address for each in report.remarkable if Finding.DEAD_DOMAIN in each.findings]


async def test_the_lab_delivers_to_its_own_domain_though_no_dns_knows_it() -> None:
    assert await dead(Settings().with_("lab", enabled=True)) == ["ann@gone.test"]
    assert await dead(Settings()) == ["ann@lab.test", "ann@gone.test"]
