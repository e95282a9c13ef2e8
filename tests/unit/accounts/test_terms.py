"""The rules for what a credential may do."""

from ipaddress import ip_network

import pytest

from posthouse.accounts.terms import CredentialKind, Granted, Terms, check, domain_name
from posthouse.model.words import Scope

SEND = frozenset({Scope.SEND})
KEY, SMTP = CredentialKind.API_KEY, CredentialKind.SMTP


def codes(kind: CredentialKind, terms: Terms) -> list[tuple[str, str]]:
    found = check(kind, terms)
    return [] if isinstance(found, Granted) else [(each.pointer, each.code) for each in found]


def test_good_terms_come_back_normalised() -> None:
    terms = Terms(" Shop ", SEND, ("Example.COM", "blåbær.dk", "example.com."), ("192.0.2.7", "10.0.0.0/8"))
    assert check(KEY, terms) == Granted(
        "Shop",
        SEND,
        ("example.com", "xn--blbr-roah.dk"),
        (ip_network("192.0.2.7/32"), ip_network("10.0.0.0/8")),
    )


@pytest.mark.parametrize(
    ("kind", "terms", "expected"),
    [
        (KEY, Terms("", SEND), [("/name", "missing")]),
        (KEY, Terms("a" * 101, SEND), [("/name", "too_long")]),
        (KEY, Terms("a\x00b", SEND), [("/name", "unprintable")]),
        (KEY, Terms("a", frozenset()), [("/scopes", "missing")]),
        (SMTP, Terms("a", frozenset(Scope)), [("/scopes", "not_for_smtp")]),
        (KEY, Terms("a", SEND, ("ok.test", "no domain")), [("/domains/1", "invalid_domain")]),
        (KEY, Terms("a", SEND, ("x.test",) * 101), [("/domains", "too_many")]),
        (KEY, Terms("a", SEND, (), ("192.0.2.0/24", "192.0.2.1/24")), [("/networks/1", "invalid_network")]),
        (KEY, Terms("a", SEND, (), ("192.0.2.1",) * 51), [("/networks", "too_many")]),
        (KEY, Terms("a", SEND, (), ("192.0.2.1",), without_auth=True), [("/without_auth", "smtp_only")]),
        (SMTP, Terms("a", SEND, (), (), without_auth=True), [("/networks", "missing")]),
        (SMTP, Terms("a", SEND, (), ("0.0.0.0/0", "::/0"), without_auth=True), [("/networks/0", "too_wide"), ("/networks/1", "too_wide")]),
        (SMTP, Terms("a", SEND, (), ("8.8.0.0/16",), without_auth=True), [("/networks/0", "too_wide")]),
        (SMTP, Terms("a", SEND, (), ("10.0.0.0/8", "8.8.8.0/24"), without_auth=True), []),
        (KEY, Terms("", frozenset(), ("-",), ("x",)), [("/name", "missing"), ("/scopes", "missing"), ("/domains/0", "invalid_domain"), ("/networks/0", "invalid_network")]),
    ],
)  # fmt: skip
def test_every_bad_field_is_named(kind: CredentialKind, terms: Terms, expected: list[tuple[str, str]]) -> None:
    assert codes(kind, terms) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", "example.com"),
        (" EXAMPLE.com. ", "example.com"),
        ("blåbær.dk", "xn--blbr-roah.dk"),
        ("localhost", None),
        ("192.0.2.1", None),
        ("", None),
        ("a..b", None),
        ("exa mple.com", None),
        ("ex\x00ample.com", None),
        ("a" * 64 + ".com", None),
        ("https://example.com", None),
    ],
)
def test_a_sender_domain_is_a_dns_name_of_two_labels_or_more(text: str, expected: str | None) -> None:
    assert domain_name(text) == expected
