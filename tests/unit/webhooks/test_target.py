"""Addresses of endpoints as people write them."""

import pytest

from posthouse.model.errors import FieldProblem
from posthouse.runtime.http_post import Target
from posthouse.runtime.reach import networks
from posthouse.webhooks.target import read

INSIDE = networks(["10.1.0.0/16"])


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://example.com", Target(True, "example.com", 443, "/")),
        ("https://Example.COM:8443/a/b?c=d&e=%20", Target(True, "example.com", 8443, "/a/b?c=d&e=%20")),
        ("https://blåbær.example/x", Target(True, "xn--blbr-roah.example", 443, "/x")),
        ("https://8.8.8.8/", Target(True, "8.8.8.8", 443, "/")),
        ("https://[2606:4700::1111]/", Target(True, "2606:4700::1111", 443, "/")),
        ("HTTPS://example.com./", Target(True, "example.com", 443, "/")),
    ],
)
def test_an_https_address_is_understood(text: str, target: Target) -> None:
    assert read(text) == target


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("http://example.com/", "not_https"),
        ("ftp://example.com/", "not_https"),
        ("//example.com/", "not_https"),
        ("example.com", "invalid_url"),
        ("", "invalid_url"),
        ("https://", "invalid_url"),
        ("https://exa mple.com/", "invalid_url"),
        ("https://example.com/a b", "invalid_url"),
        ("https://example.com/\r\nX: y", "invalid_url"),
        ("https://example.com/a\tb", "invalid_url"),
        ("https://example.com/ø", "invalid_url"),
        ("https://example.com/#fragment", "invalid_url"),
        ("https://example.com:0/", "invalid_url"),
        ("https://example.com:99999/", "invalid_url"),
        ("https://user:secret@example.com/", "has_password"),
        ("https://127.0.0.1/", "not_public"),
        ("https://10.0.0.1/", "not_public"),
        ("https://169.254.169.254/latest/meta-data/", "not_public"),
        ("https://[::1]/", "not_public"),
        ("https://[::ffff:10.0.0.1]/", "not_public"),
        ("https://[fe80::1%25eth0]/", "invalid_url"),
        ("https://127.1/", "invalid_url"),
        ("https://2130706433/", "invalid_url"),
        ("https://0x7f000001/", "invalid_url"),
        ("https://0x7f.1/", "invalid_url"),
        ("https://example.com/" + "a" * 2_000, "too_long"),
    ],
)
def test_what_may_not_be_told_is_refused_with_a_reason(text: str, code: str) -> None:
    problem = read(text)
    assert isinstance(problem, FieldProblem), problem
    assert (problem.pointer, problem.code) == ("/url", code)


def test_http_and_inside_addresses_need_an_operator_who_allows_a_network() -> None:
    assert read("http://10.1.2.3:9000/x", INSIDE) == Target(False, "10.1.2.3", 9000, "/x")
    assert read("http://crm.internal/x", INSIDE) == Target(False, "crm.internal", 80, "/x")
    assert isinstance(read("http://10.2.0.1/", INSIDE), FieldProblem)


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        (Target(True, "example.com", 443, "/"), "example.com"),
        (Target(True, "example.com", 80, "/"), "example.com:80"),
        (Target(False, "::1", 80, "/"), "[::1]"),
        (Target(True, "::1", 8443, "/"), "[::1]:8443"),
    ],
)
def test_the_host_field_names_the_port_where_it_is_not_the_usual_one(target: Target, authority: str) -> None:
    assert target.authority == authority
