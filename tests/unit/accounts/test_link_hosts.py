"""What cannot be the link host of a domain, whatever the DNS says."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from posthouse.accounts.dns_records import SendingDomain
from posthouse.accounts.link_hosts import CONFLICTS, refusal

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DOMAIN = SendingDomain(UUID(int=1), UUID(int=2), "acme.test", "token", NOW, NOW, (), NOW)
TARGET = "mail.host.test"


@pytest.mark.parametrize("host", ["links.acme.test", "go.news.acme.test"])
def test_a_name_below_the_domain_may_be_one(host: str) -> None:
    assert refusal(DOMAIN, host, TARGET) == ()


def test_a_domain_that_is_below_another_may_be_its_own() -> None:
    assert refusal(replace(DOMAIN, name="news.acme.test"), "news.acme.test", TARGET) == ()


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (None, "invalid_domain"),
        ("a_b.acme.test", "invalid_domain"),  # no certificate names it
        ("acme.test", "not_a_subdomain"),
        ("links.other.test", "not_below"),
        ("linksacme.test", "not_below"),
        ("acme.test.evil.test", "not_below"),
    ],
)
def test_another_may_not(host: str | None, code: str) -> None:
    assert [each.code for each in refusal(DOMAIN, host, TARGET)] == [code]


def test_our_own_host_is_nobody_s_link_host() -> None:
    assert refusal(replace(DOMAIN, name="host.test"), TARGET, TARGET)[0].code == "own_host"


def test_something_else_comes_first() -> None:
    unverified = replace(DOMAIN, verified_at=None)
    codes = {refusal(unverified, "links.acme.test", TARGET)[0].code, refusal(DOMAIN, "links.acme.test", "")[0].code}
    assert codes == CONFLICTS
