"""What is answered under which host."""

import pytest

from posthouse.runtime.settings import Settings
from posthouse.web.hosts import PUBLIC_PREFIXES, Hosts, is_public

SETTINGS = (
    Settings()
    .with_("server", hostname="mx.host.test")
    .with_("web", public_url="https://mail.host.test", other_hosts=("Intern.Host.test",))
)
HOSTS = Hosts.of(SETTINGS)
PRIVATE = [
    "/",
    "/sign-in",
    "/messages",
    "/v1",
    "/v1/messages",
    "/docs",
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/tls/ask",
    "/u",
    "/t",
]


def keeps_from(path: str, *hosts: str, held: Hosts = HOSTS) -> bool:
    return held.keeps_from(path, [(b"accept", b"*/*"), *((b"host", host.encode("latin-1")) for host in hosts)])


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize(
    "host", ["links.acme.test", "links.acme.test:443", "LINKS.acme.test.", "mail.host.test.acme.test", "mail.host.test@links.acme.test", "é.test"]
)  # fmt: skip
def test_under_another_s_name_there_are_no_pages_and_no_api(path: str, host: str) -> None:
    assert keeps_from(path, host)


@pytest.mark.parametrize("prefix", PUBLIC_PREFIXES)
def test_what_mails_link_to_is_there_under_every_name(prefix: str) -> None:
    assert not keeps_from(f"{prefix}abc", "links.acme.test")
    assert not keeps_from(f"{prefix}abc", "mail.host.test")


@pytest.mark.parametrize(
    "host",
    [
        "mail.host.test", "mail.host.test:443", "MAIL.host.test.", "mx.host.test", "intern.host.test", "127.0.0.1:8080", "192.0.2.1",
        "[::1]:8080", "[2001:db8::1]", "localhost:8080", "x.localhost", "posthouse", "",
    ],
)  # fmt: skip
def test_under_our_own_names_everything_is(host: str) -> None:
    assert not any(keeps_from(path, host) for path in PRIVATE)


def test_a_request_without_a_host_is_none_of_a_browser() -> None:
    assert not keeps_from("/sign-in")


def test_of_two_hosts_the_other_s_counts() -> None:
    assert keeps_from("/sign-in", "mail.host.test", "links.acme.test")


@pytest.mark.parametrize(
    "path", ["/u/../sign-in", "/u/./x", "/u//sign-in", "//u/x", "/u\\..\\sign-in", "/U/abc", "/ux", "x/u/"]
)
def test_a_path_that_may_mean_another_is_not_public(path: str) -> None:
    assert not is_public(path)


@pytest.mark.parametrize("public_url", ["", "http://mail.host.test", "https://192.0.2.1"])
def test_where_no_link_can_lead_to_another_s_name_every_name_is_ours(public_url: str) -> None:
    held = Hosts.of(SETTINGS.with_("web", public_url=public_url))
    assert not keeps_from("/sign-in", "intern.example", held=held)
