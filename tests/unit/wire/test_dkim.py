"""DKIM: ours signed and dkimpy checked, dkimpy signed and ours checked, and every way to be wrong."""

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from unittest import mock

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.wire import canonical, dkim, dkim_keys
from posthouse.wire.canonical import is_relaxed, relaxed_body, simple_body
from posthouse.wire.dkim_keys import Algorithm, SigningKey
from posthouse.wire.dkim_verify import MAIL, TLS_REPORTS, DkimResult, DkimStatus, claims, judge, verify
from posthouse.wire.headers import first, split
from posthouse.wire.lookups import Answer, Found

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RSA = dkim_keys.generate(Algorithm.RSA, "example.com", "r1")
ED25519 = dkim_keys.generate(Algorithm.ED25519, "example.com", "e1")
HEADER = b"From: Ann <a@example.com>\r\nTo: b@example.net\r\nSubject: Hi  there\r\n you\r\nList-Unsubscribe: <https://x/>\r\n"
MESSAGE = HEADER + b"\r\nLine one \r\n\r\nline\t two\r\n\r\n\r\n"
ZONE = {dkim_keys.dns_name(key): dkim_keys.dns_value(key) for key in (RSA, ED25519)}


class Zone:
    """Answers from a table; a value of None is a server that fails."""

    def __init__(self, records: Mapping[str, str | None]) -> None:
        self.records = records

    async def txt(self, name: str) -> Answer:
        if name not in self.records:
            return Answer(Found.NO_NAME)
        value = self.records[name]
        return Answer(Found.FAILED) if value is None else Answer(Found.YES, (value,))

    async def a(self, name: str) -> Answer:
        return Answer(Found.NO_NAME)

    aaaa = mx = ptr = a


def check(content: bytes, zone: Mapping[str, str | None] = ZONE, now: datetime = NOW) -> list[DkimResult]:
    return list(asyncio.run(verify(content, Zone(zone), now)))


def signed(content: bytes = MESSAGE, *keys: SigningKey) -> bytes:
    return dkim.sign(content, keys or (RSA,), NOW) + content


def dkimpy_passes(content: bytes) -> bool:
    def dns(name: bytes, timeout: int = 5) -> bytes:
        return ZONE[name.decode().rstrip(".")].encode()

    return bool(dkimpy.DKIM(content).verify(dnsfunc=dns))


bodies = st.one_of(
    st.sampled_from(
        [b"", b"\r\n", b"\r\n\r\n", b"x", b" ", b" \r\n", b"x\r\n\r\n\r\n", b"x \t\r\n \r\n", b"a \r\n b", b"\t"]
    ),
    st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"  ", b"b", b"."]), max_size=30).map(b"".join),
)


@given(bodies)
@settings(max_examples=150)
def test_an_independent_verifier_passes_every_body(body: bytes) -> None:
    content = signed(HEADER + b"\r\n" + body)
    arrived = content if body.endswith(b"\r\n") else content + b"\r\n"  # what SMTP makes of an unfinished last line
    assert dkimpy_passes(arrived)
    assert check(arrived) == check(content)
    assert [result.status for result in check(content)] == [DkimStatus.PASS]


@given(bodies)
def test_a_body_is_canonical_exactly_when_relaxing_changes_nothing(body: bytes) -> None:
    if not body.endswith((b" ", b"\t")):
        assert relaxed_body(body) == dkimpy.canonicalization.Relaxed.canonicalize_body(body)
    assert simple_body(body) == dkimpy.canonicalization.Simple.canonicalize_body(body)
    if is_relaxed(body):
        assert relaxed_body(body) is body
    assert is_relaxed(relaxed_body(body))


@given(bodies)
@settings(deadline=None)
def test_a_body_becomes_canonical_piece_by_piece_as_if_it_were_one(body: bytes) -> None:
    with mock.patch.object(canonical, "_PIECE_OCTETS", 1):
        in_pieces = relaxed_body(body)
    assert in_pieces == relaxed_body(body)


@pytest.mark.parametrize("tail", [b"\r\n" * 50, b"\n\r\n\r\n", b"\r\r\n\r\n", b"\r\n\r", b"\r\n"])
@pytest.mark.parametrize("head", [b"", b"a", b"a\r\n", b"a \r\n"])
def test_empty_lines_at_the_end_count_as_one_line_end(head: bytes, tail: bytes) -> None:
    assert relaxed_body(head + tail) == dkimpy.canonicalization.Relaxed.canonicalize_body(head + tail)
    assert simple_body(head + tail) == dkimpy.canonicalization.Simple.canonicalize_body(head + tail)


@pytest.mark.parametrize(
    ("header", "form"), [(b"relaxed", "relaxed/simple"), (b"simple", "simple/relaxed"), (b"simple", "simple")]
)
def test_what_an_independent_signer_signed_passes_here(header: bytes, form: str) -> None:
    pem = RSA.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    forms = tuple((form if "/" in form else f"{form}/simple").encode().split(b"/"))
    assert forms[0] == header
    signature = dkimpy.sign(MESSAGE, b"r1", b"example.com", pem, canonicalize=forms)
    assert check(signature + MESSAGE, now=datetime.now(UTC))[0].status is DkimStatus.PASS


def test_both_keys_sign_and_ed25519_stands_above() -> None:
    results = check(signed(MESSAGE, RSA, ED25519))
    assert [(result.status, result.algorithm) for result in results] == [
        (DkimStatus.PASS, "ed25519-sha256"),
        (DkimStatus.PASS, "rsa-sha256"),
    ]


def test_nothing_is_written_without_keys() -> None:
    assert dkim.sign(MESSAGE, (), NOW) == b""


def test_lines_stay_short_and_h_is_folded_at_colons() -> None:
    signature = dkim.sign(MESSAGE, (RSA, ED25519), NOW)
    assert max(map(len, signature.split(b"\r\n"))) <= 78
    names = (
        (first(signature, "DKIM-Signature") or b"")
        .partition(b"h=")[2]
        .partition(b";")[0]
        .replace(b" ", b"")
        .split(b":")
    )
    assert names.count(b"from") == 2
    assert names.count(b"reply-to") == 1
    assert names.count(b"list-unsubscribe") == 1
    assert b"list-unsubscribe-post" not in names


@pytest.mark.parametrize("name", ["From", "Subject", "Reply-To", "Cc", "Date", "Content-Type", "Message-ID"])
def test_adding_a_second_field_breaks_the_signature(name: str) -> None:
    content = signed()
    header, body = split(content)
    for altered in (f"{name}: evil\r\n".encode() + content, header + f"{name}: evil\r\n\r\n".encode() + body):
        assert check(altered)[0].status is DkimStatus.FAIL
        assert not dkimpy_passes(altered)


def test_what_relays_do_to_white_space_breaks_nothing() -> None:
    content = signed()
    relayed = (
        b"Received: x\r\n"
        + content.replace(b"Subject: Hi  there\r\n you", b"subject:  Hi there you ").rstrip()
        + b"\r\n"
    )
    assert check(relayed)[0].status is DkimStatus.PASS


def test_a_changed_body_fails_with_the_reason() -> None:
    (result,) = check(signed().replace(b"Line one", b"Line won"))
    assert (result.status, result.reason) == (DkimStatus.FAIL, "the body was altered")
    assert (result.domain, result.selector) == ("example.com", "r1")


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (None, DkimStatus.TEMPERROR),
        ("", DkimStatus.PERMERROR),
        ("v=DKIM1; p=", DkimStatus.PERMERROR),
        ("v=DKIM2; {key}", DkimStatus.PERMERROR),
        ("v=DKIM1; k=ed25519; {key}", DkimStatus.PERMERROR),
        ("v=DKIM1; h=sha1; {key}", DkimStatus.PERMERROR),
        ("v=DKIM1; s=tlsrpt; {key}", DkimStatus.PERMERROR),
        ("v=DKIM1; p=!!!", DkimStatus.PERMERROR),
        ("v=DKIM1; p=AAAA", DkimStatus.PERMERROR),
        ("v=DKIM1; t=s:y; s=email; h=sha1:sha256; {key}", DkimStatus.PASS),
        ("{key}", DkimStatus.PASS),
    ],
)
def test_the_key_record_decides(record: str | None, status: DkimStatus) -> None:
    key = ZONE["r1._domainkey.example.com"].rpartition("; ")[2]
    zone = {"r1._domainkey.example.com": record if record is None else record.replace("{key}", key)}
    assert check(signed(), zone)[0].status is status
    assert check(signed(), {})[0].status is DkimStatus.PERMERROR


def test_a_key_of_512_bits_does_not_count() -> None:
    weak = generate_private_key(65537, 1024)
    key = SigningKey("example.com", "w", Algorithm.RSA, weak)
    assert check(signed(MESSAGE, key), {dkim_keys.dns_name(key): dkim_keys.dns_value(key)})[0].status is DkimStatus.PASS
    small = base64.b64decode(
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL8eJ5AKoIsjURpcEoGubZMxLD7+kT+TLr7UkvEtFrRhDDKMtuIIq19FrL4pUIMymPMSLBn3hJLe30Dw48GQM4UCAwEAAQ=="
    )
    zone = {"w._domainkey.example.com": f"p={base64.b64encode(small).decode()}"}
    assert check(signed(MESSAGE, key), zone)[0].status is DkimStatus.PERMERROR


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"v=1;", b"v=2;", DkimStatus.PERMERROR),
        (b"a=rsa-sha256", b"a=rsa-sha1", DkimStatus.PERMERROR),
        (b"c=relaxed/relaxed", b"c=nonsense", DkimStatus.PERMERROR),
        (b"d=example.com", b"d=", DkimStatus.PERMERROR),
        (b"d=example.com", b"d=exa mple.com", DkimStatus.PERMERROR),
        (b"h=from:from:", b"h=", DkimStatus.PERMERROR),
        (b" bh=", b" l=99999; bh=", DkimStatus.PERMERROR),
        (b" bh=", b" l=x; bh=", DkimStatus.PERMERROR),
        (b" bh=", b" i=a@other.com; bh=", DkimStatus.PERMERROR),
        (b" bh=", b" x=1; bh=", DkimStatus.FAIL),
        (b" bh=", b" bh=AAAA; bh=", DkimStatus.PERMERROR),
        (b" bh=", b" z=x; bh=", DkimStatus.FAIL),
        (b"t=", b"t=9", DkimStatus.FAIL),
    ],
)
def test_a_bent_signature_is_a_result_not_an_exception(old: bytes, new: bytes, status: DkimStatus) -> None:
    content = signed().replace(old, new, 1)
    assert check(content)[0].status is status


def test_an_expired_signature_fails() -> None:
    content = signed().replace(b" bh=", f" x={int(NOW.timestamp()) + 60}; bh=".encode(), 1)
    assert check(content, now=NOW + timedelta(hours=1))[0].reason == "the signature has expired"


def test_at_most_ten_signatures_are_looked_at() -> None:
    assert len(check(dkim.sign(MESSAGE, (RSA,), NOW) * 50 + MESSAGE)) == 10


@given(st.binary(max_size=200), st.integers(0, 700), st.binary(max_size=8))
@settings(max_examples=300)
def test_no_bytes_make_the_verifier_raise(junk: bytes, at: int, insert: bytes) -> None:
    content = signed()
    check(content[:at] + insert + content[at + len(insert) :])
    check(b"DKIM-Signature: " + junk + b"\r\n" + MESSAGE)


@given(st.text(max_size=200) | st.binary(max_size=120).map(lambda octets: "p=" + base64.b64encode(octets).decode()))
@settings(max_examples=200)
def test_no_key_record_makes_the_verifier_raise(record: str) -> None:
    check(signed(MESSAGE, RSA, ED25519), {"r1._domainkey.example.com": record, "e1._domainkey.example.com": record})


@pytest.mark.parametrize("key", [RSA, ED25519])
def test_a_key_survives_being_stored(key: SigningKey) -> None:
    again = dkim_keys.load(dkim_keys.dump(key), key.domain, key.selector)
    assert (again.algorithm, dkim_keys.dns_value(again)) == (key.algorithm, dkim_keys.dns_value(key))
    pem = key.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert dkim_keys.dns_value(dkim_keys.load(pem, key.domain, key.selector)) == dkim_keys.dns_value(key)


@pytest.mark.parametrize("data", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        dkim_keys.load(data, "example.com", "x")


def test_headers_of_any_shape_are_signed_and_what_strangers_put_into_them_is_not_kept() -> None:
    dkim._layout.cache_clear()
    for number in range(20):
        many = b"".join(b"X-%d-%d: y\r\nSubject: z\r\n" % (number, field) for field in range(60))
        assert dkimpy_passes(signed(many + MESSAGE))
    assert dkim._layout.cache_info().currsize == 0
    for number in range(20):
        assert dkimpy_passes(signed(b"X-%d: y\r\n" % number + MESSAGE))
    assert dkim._layout.cache_info().currsize == 1, "names that are not signed make no layout of their own"


@pytest.mark.parametrize(
    ("said", "services"), [("", {"*"}), ("s=email:tlsrpt; ", {"email", "tlsrpt"}), ("s=tlsrpt; ", {"tlsrpt"})]
)
def test_a_key_counts_for_the_services_it_is_published_for(said: str, services: set[str]) -> None:
    zone = Zone({dkim_keys.dns_name(RSA): dkim_keys.dns_value(RSA).replace("k=", f"{said}k=")})
    (claim,) = claims(signed(), NOW)
    (result, as_mail) = (asyncio.run(judge(claim, zone, accepted)) for accepted in (MAIL | TLS_REPORTS, MAIL))
    assert (result.status, result.services) == (DkimStatus.PASS, services)
    assert as_mail.status is (DkimStatus.PASS if services & MAIL else DkimStatus.PERMERROR)


@pytest.mark.parametrize(("more", "partial"), [(b"", False), (b"Appended by somebody else\r\n", True)])
def test_a_signature_that_leaves_the_end_of_the_body_to_anybody_says_so(more: bytes, partial: bool) -> None:
    pem = RSA.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    content = HEADER + b"\r\nLine one\r\n"
    content = dkimpy.sign(content, b"r1", b"example.com", pem, length=True) + content + more
    assert [(each.status, each.partial) for each in check(content, now=datetime.now(UTC))] == [
        (DkimStatus.PASS, partial)
    ]


def test_nobody_is_asked_about_a_body_that_was_altered() -> None:
    (claim,) = claims(signed() + b"more\r\n", NOW)
    assert (claim.signature, claim.result.reason) == (None, "the body was altered")
