"""Who sent a report by mail: one aligned proof is enough, nothing less is, and the refusal says what was looked at."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from posthouse.intake import report_senders
from posthouse.intake.answers import No
from posthouse.intake.report_senders import NO_AUTHOR, Evidence, Method, Proof, Sender, Vouched, ask, covering, judge
from posthouse.wire import dkim, dkim_keys
from posthouse.wire.dkim_keys import Algorithm, SigningKey
from posthouse.wire.dkim_verify import DkimResult, DkimStatus
from posthouse.wire.lookups import Answer, Found
from posthouse.wire.smtp_server_commands import MailParameters
from posthouse.wire.smtp_server_events import MessageReceived
from posthouse.wire.spf import SpfResult, SpfStatus

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AUTHOR = "mail.google.example"
ORGANIZATION = "google.example"
ALIGNED: Mapping[str, bool | None] = {AUTHOR: True, ORGANIZATION: True, "evil.example": False, "odd.example": None}
NO_SPF = SpfResult(SpfStatus.NONE, AUTHOR, "it publishes no SPF record")


def by_spf(status: str, domain: str = AUTHOR, reason: str = "") -> SpfResult:
    return SpfResult(SpfStatus(status), domain, reason)


def by_dkim(
    status: str, domain: str = AUTHOR, reason: str = "", *, partial: bool = False, services: str = "*"
) -> DkimResult:
    return DkimResult(DkimStatus(status), reason, domain, partial=partial, services=frozenset({services}))


def judged(spf: SpfResult, *signatures: DkimResult) -> Sender:
    return judge(Evidence(AUTHOR, "192.0.2.9", spf, signatures, ALIGNED))


def proofs_of(sender: Sender) -> list[Proof]:
    assert isinstance(sender, Vouched), sender
    return list(sender.proofs)


@pytest.mark.parametrize(
    ("spf", "signatures", "proven"),
    [
        (by_spf("pass"), [], [Proof(AUTHOR, Method.SPF)]),
        (by_spf("pass", ORGANIZATION), [], [Proof(ORGANIZATION, Method.SPF)]),
        (NO_SPF, [by_dkim("pass", ORGANIZATION)], [Proof(ORGANIZATION, Method.DKIM)]),
        (by_spf("fail", "evil.example"), [by_dkim("fail"), by_dkim("pass")], [Proof(AUTHOR, Method.DKIM)]),
        (by_spf("temperror"), [by_dkim("temperror", ORGANIZATION), by_dkim("pass")], [Proof(AUTHOR, Method.DKIM)]),
        (by_spf("pass"), [by_dkim("pass"), by_dkim("pass")], [Proof(AUTHOR, Method.DKIM), Proof(AUTHOR, Method.SPF)]),
        (NO_SPF, [by_dkim("pass", services="tlsrpt")], [Proof(AUTHOR, Method.DKIM, only_tls=True)]),
    ],
)
def test_one_aligned_pass_proves_the_sender(spf: SpfResult, signatures: list[DkimResult], proven: list[Proof]) -> None:
    assert proofs_of(judged(spf, *signatures)) == proven


@pytest.mark.parametrize(
    ("spf", "signatures", "said"),
    [
        (by_spf("softfail", AUTHOR, "~all of it"), [],
         "SPF of mail.google.example says softfail for 192.0.2.9 (~all of it); there is no DKIM signature"),
        (by_spf("none", ""), [], "SPF of the sender says none"),
        (by_spf("pass", "evil.example"), [], "SPF passes for evil.example, which is not aligned"),
        (NO_SPF, [by_dkim("pass", "evil.example")], "DKIM of evil.example passes, which is not aligned"),
        (NO_SPF, [by_dkim("pass", partial=True)], "DKIM of mail.google.example leaves part of the body unsigned (l=)"),
        (NO_SPF, [by_dkim("pass", "evil.example"), by_dkim("fail", AUTHOR, "the body was altered")],
         "DKIM of mail.google.example says fail (the body was altered); DKIM of evil.example"),
        (by_spf("temperror", "evil.example"), [by_dkim("temperror", "evil.example")], "temperror"),
    ],
)  # fmt: skip
def test_nothing_less_does_and_the_refusal_says_what_was_found(
    spf: SpfResult, signatures: list[DkimResult], said: str
) -> None:
    refusal = judged(spf, *signatures)
    assert isinstance(refusal, No)
    assert (refusal.code, refusal.enhanced) == (550, "5.7.26")
    assert f"From, {AUTHOR}: " in refusal.text
    assert said in refusal.text


@pytest.mark.parametrize(
    ("spf", "signatures", "enhanced"),
    [
        (by_spf("temperror"), [], "4.7.24"),
        (by_spf("fail", "evil.example"), [by_dkim("temperror")], "4.7.5"),
        (by_spf("temperror"), [by_dkim("temperror", ORGANIZATION)], "4.7.0"),
        (by_spf("pass", "odd.example"), [], "4.7.0"),
        (NO_SPF, [by_dkim("pass", "odd.example"), by_dkim("fail")], "4.7.0"),
    ],
)
def test_what_may_pass_when_the_dns_answers_is_asked_to_come_again(
    spf: SpfResult, signatures: list[DkimResult], enhanced: str
) -> None:
    refusal = judged(spf, *signatures)
    assert isinstance(refusal, No)
    assert (refusal.code, refusal.enhanced) == (451, enhanced)


def test_a_key_that_cannot_be_looked_up_may_still_sign_what_spf_does_not_cover() -> None:
    sender = judged(by_spf("pass"), by_dkim("temperror"))
    assert proofs_of(sender) == [SPF]
    assert isinstance(sender, Vouched)
    assert sender.later
    assert (sender.later.code, sender.later.enhanced) == (451, "4.7.5")
    assert judged(by_spf("pass"), by_dkim("temperror", "evil.example")) == Vouched((SPF,))


def test_a_refusal_stays_one_line_however_much_a_stranger_publishes() -> None:
    refusal = judged(by_spf("fail", AUTHOR, "x" * 5_000), *[by_dkim("fail", "d" * 5_000)] * 10)
    assert isinstance(refusal, No)
    assert len(refusal.text) < 492


SPF, SIGNED = Proof(AUTHOR, Method.SPF), Proof(AUTHOR, Method.DKIM)
TLS_KEY = Proof(AUTHOR, Method.DKIM, only_tls=True)


@pytest.mark.parametrize(
    ("proofs", "tls", "other"),
    [([], None, None), ([SPF], None, SPF), ([SIGNED, SPF], SIGNED, SIGNED), ([TLS_KEY], TLS_KEY, None), ([TLS_KEY, SPF], TLS_KEY, SPF)],
)  # fmt: skip
def test_a_report_about_tls_needs_a_signature_and_its_key_is_good_for_nothing_else(
    proofs: Sequence[Proof], tls: Proof | None, other: Proof | None
) -> None:
    assert (covering(proofs, tls=True), covering(proofs, tls=False)) == (tls, other)


# --- A whole mail


class Zone:
    """TXT records by name; a value of None is a server that fails."""

    def __init__(self, records: Mapping[str, str | None]) -> None:
        self.records = records
        self.asked: list[str] = []

    async def txt(self, name: str) -> Answer:
        self.asked.append(name)
        if name not in self.records:
            return Answer(Found.NO_NAME)
        value = self.records[name]
        return Answer(Found.FAILED) if value is None else Answer(Found.YES, (value,))

    async def a(self, name: str) -> Answer:
        return Answer(Found.NO_NAME)

    aaaa = mx = ptr = a


KEY = dkim_keys.generate(Algorithm.ED25519, ORGANIZATION, "s1")
EVIL = dkim_keys.generate(Algorithm.RSA, "evil.example", "s1")
SPF_RECORD = "v=spf1 ip4:192.0.2.9 -all"
RECORDS: Mapping[str, str | None] = {
    AUTHOR: SPF_RECORD,
    "evil.example": SPF_RECORD,
    "helo.google.example": SPF_RECORD,
    f"_dmarc.{ORGANIZATION}": "v=DMARC1; p=reject",
    **{dkim_keys.dns_name(key): dkim_keys.dns_value(key) for key in (KEY, EVIL)},
}
CONTENT = f"From: Reports <dmarc@{AUTHOR}>\r\nTo: r@here.test\r\nSubject: Report\r\n\r\nHello\r\n".encode()


def asked(
    content: bytes, mail_from: str, zone: Zone | None = None, helo: str = "mx.test", peer: str = "192.0.2.9"
) -> Sender:
    mail = MessageReceived(mail_from, MailParameters(), ("r@here.test",), content, "ESMTP")
    return asyncio.run(ask(mail, peer, helo, zone or Zone(RECORDS), NOW))


def signed(*keys: SigningKey, content: bytes = CONTENT) -> bytes:
    return dkim.sign(content, keys, NOW) + content


@pytest.mark.parametrize(
    ("content", "mail_from", "helo", "proven"),
    [
        (CONTENT, f"dmarc@{AUTHOR}", "mx.test", f"{AUTHOR} by SPF"),
        (CONTENT, "", "helo.google.example", "helo.google.example by SPF"),
        (signed(KEY), "x@elsewhere.test", "mx.test", f"{ORGANIZATION} by DKIM"),
        (signed(EVIL, KEY), "x@evil.example", "mx.test", f"{ORGANIZATION} by DKIM"),
    ],
)
def test_a_mail_is_proven_by_envelope_greeting_or_signature(
    content: bytes, mail_from: str, helo: str, proven: str
) -> None:
    assert [str(each) for each in proofs_of(asked(content, mail_from, helo=helo))] == [proven]


@pytest.mark.parametrize(
    ("content", "mail_from", "peer"),
    [
        (CONTENT, "x@evil.example", "192.0.2.9"),
        (CONTENT, f"dmarc@{AUTHOR}", "192.0.2.10"),
        (signed(EVIL), "x@evil.example", "192.0.2.9"),
        (signed(KEY).replace(b"Hello", b"Hallo"), "", "192.0.2.9"),
        (CONTENT, "", "192.0.2.9"),
    ],
)
def test_what_proves_somebody_else_or_nobody_is_refused(content: bytes, mail_from: str, peer: str) -> None:
    refusal = asked(content, mail_from, peer=peer)
    assert isinstance(refusal, No)
    assert (refusal.code, refusal.enhanced) == (550, "5.7.26")


@pytest.mark.parametrize(
    "content",
    [b"Subject: x\r\n\r\n", b"From: a@x.test, b@x.test\r\n\r\n", CONTENT.replace(b"From", b"From: b@evil.example\r\nFrom", 1),
     b"From: me@localhost\r\n\r\n"],
)  # fmt: skip
def test_from_names_exactly_one_author(content: bytes) -> None:
    zone = Zone(RECORDS)
    assert asked(content, f"dmarc@{AUTHOR}", zone) is NO_AUTHOR
    assert zone.asked == []


@pytest.mark.parametrize("silent", [AUTHOR, dkim_keys.dns_name(KEY), f"_dmarc.{AUTHOR}"])
def test_a_dns_that_fails_only_delays(silent: str) -> None:
    mail_from = f"dmarc@{AUTHOR}" if silent == AUTHOR else ""
    refusal = asked(signed(KEY) if silent != AUTHOR else CONTENT, mail_from, Zone({**RECORDS, silent: None}))
    assert isinstance(refusal, No)
    assert refusal.code == 451


def test_a_dns_that_never_answers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Zone):
        async def txt(self, name: str) -> Answer:
            await asyncio.sleep(3_600)
            return Answer(Found.FAILED)

    monkeypatch.setattr(report_senders, "REPORT_SENDER_S", 0.01)
    assert asked(signed(KEY), f"dmarc@{AUTHOR}", Silent(RECORDS)) is report_senders.TOOK_TOO_LONG


def test_a_stranger_chooses_what_is_asked_but_not_how_often() -> None:
    keys = [
        dkim_keys.generate(Algorithm.ED25519, f"a.b.c.d.e.f.g.{number}.{ORGANIZATION}", "s") for number in range(30)
    ]
    zone = Zone({**RECORDS, **{dkim_keys.dns_name(key): dkim_keys.dns_value(key) for key in keys}})
    asked(b"".join(dkim.sign(CONTENT, (key,), NOW) for key in keys) + CONTENT, "", zone, helo="mx.test")
    assert len(zone.asked) <= 1 + 10 + 11 * 8  # SPF, a key for each of ten signatures, and a tree walk for each domain


def test_ten_megabytes_are_hashed_while_others_are_served() -> None:
    content = CONTENT + b"Two  spaces \t and more text of a line of usual length, over and over. \r\n" * 140_000
    message = signed(KEY, content=content)
    longest = 0.0

    async def scenario() -> Sender:
        nonlocal longest
        mail = MessageReceived("", MailParameters(), ("r@here.test",), message, "ESMTP")
        task = asyncio.create_task(ask(mail, "192.0.2.1", "mx.test", Zone(RECORDS), NOW))
        while not task.done():
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)
        return await task

    assert [str(each) for each in proofs_of(asyncio.run(scenario()))] == [f"{ORGANIZATION} by DKIM"]
    assert longest < 0.01, "the loop itself did the work"
