"""The verdict in words, on real signatures and the lab's own DNS."""

from datetime import UTC, datetime

import pytest

from posthouse.lab.mailbox import Received
from posthouse.lab.published import Published
from posthouse.lab.verdict import Verdict, judge
from posthouse.wire import dkim, dkim_keys
from posthouse.wire.dkim_keys import Algorithm

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LAB_KEY = dkim_keys.generate(Algorithm.ED25519, "example.com", "lab")
OWN_KEY = dkim_keys.generate(Algorithm.RSA, "example.com", "ph1")
CONTENT = (
    b"From: shop@example.com\r\nTo: a@b.test\r\nSubject: Hi\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\nHello\r\n"
)


async def _domain_key(selector: str, domain: str) -> str | None:
    return dkim_keys.dns_value(OWN_KEY) if (selector, domain) == ("ph1", "example.com") else None


LOOKUPS = Published({"lab": dkim_keys.dns_value(LAB_KEY)}, frozenset({"bounces.mail.test"}), _domain_key)


async def verdict(content: bytes, mail_from: str = "b1@bounces.mail.test") -> Verdict:
    received = Received(1, NOW, mail_from, ("a@b.test",), content, "127.0.0.1", "mail.test", "")
    return await judge(received, LOOKUPS, NOW)


def results(found: Verdict) -> list[tuple[str, str]]:
    return [(finding.check, finding.result) for finding in found.findings]


@pytest.mark.parametrize("keys", [(LAB_KEY,), (OWN_KEY,), (OWN_KEY, LAB_KEY)])
async def test_a_signed_mail_passes_with_the_labs_key_and_with_the_domains_own(
    keys: tuple[dkim_keys.SigningKey, ...],
) -> None:
    found = await verdict(dkim.sign(CONTENT, keys, NOW) + CONTENT)
    assert results(found) == [*[("DKIM", "pass")] * len(keys), ("SPF", "pass"), ("DMARC", "pass")]
    assert found.passed
    assert found.findings[-1].sentence == "DKIM speaks for example.com, the domain in From."


async def test_a_changed_mail_fails_and_the_sentence_says_which_signature() -> None:
    found = await verdict(dkim.sign(CONTENT, [OWN_KEY], NOW) + CONTENT.replace(b"Hello", b"Hullo"))
    assert results(found) == [("DKIM", "fail"), ("SPF", "pass"), ("DMARC", "fail")]
    assert "ph1._domainkey.example.com" in found.findings[0].sentence


async def test_an_unsigned_mail_from_a_stranger_passes_nothing() -> None:
    found = await verdict(CONTENT, mail_from="x@elsewhere.test")
    assert results(found) == [("DKIM", "none"), ("SPF", "none"), ("DMARC", "fail")]


async def test_a_mail_without_one_author_has_no_domain_to_judge() -> None:
    assert results(await verdict(b"Subject: who\r\n\r\nHi\r\n"))[-1] == ("DMARC", "permerror")
