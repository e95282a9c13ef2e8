"""What a credential that was shown lets its bearer do."""

from ipaddress import ip_address, ip_network
from uuid import UUID

import pytest

from posthouse.accounts import tokens
from posthouse.accounts.grants import Grant, claim_of_key, claim_of_login, nearest, proves
from posthouse.model.mail import Submitter
from posthouse.model.words import Scope

KEY = tokens.api_key(7, bytes(range(20)))


def grant(name: str, *networks: str) -> Grant:
    submitter = Submitter(UUID(int=1), 1, UUID(int=2), "api_key", name, frozenset({Scope.SEND}))
    return Grant(submitter, tuple(map(ip_network, networks)))


def test_a_key_names_its_workspace_and_is_hashed() -> None:
    claim = claim_of_key(KEY)
    assert claim is not None
    assert claim.workspace_number == 7
    assert claim.secret_hash == tokens.digest(KEY)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ph_",
        KEY + "x",
        KEY.upper(),
        KEY[:-1],
        " " + KEY,
        "ph_1234567890_" + KEY[5:],
        "ph_٧_" + KEY[5:],
        "\udcff",
        KEY + "\n",
    ],
)
def test_a_text_of_another_shape_is_no_key_and_asks_no_database(key: str) -> None:
    assert claim_of_key(key) is None


@pytest.mark.parametrize(
    "username", ["", "ann", "ws1-ABCDEFGH", "ws1-abcdefg", "ws1-abcdefgh\0", "ws99999999999-abcdefgh"]
)
def test_a_text_of_another_shape_is_no_user_name(username: str) -> None:
    assert claim_of_login(username, "x") is None


def test_a_password_may_hold_anything() -> None:
    assert claim_of_login("ws1-abcdefgh", "\udcff\0æ") is not None


@pytest.mark.parametrize(("username", "expected"), [("ws1-abcdefgh", True), ("ws1-abcdefgg", False)])
def test_the_user_name_must_be_that_of_the_password(username: str, expected: bool) -> None:
    claim = claim_of_login(username, "secret")
    assert claim is not None
    row = {"secret_hash": tokens.digest("secret"), "hint": "ws1-abcdefgh"}
    assert proves(claim, row) is expected


def test_another_hash_proves_nothing() -> None:
    claim = claim_of_key(KEY)
    assert claim is not None
    assert not proves(claim, {"secret_hash": bytes(32), "hint": ""})


@pytest.mark.parametrize(
    ("networks", "remote_ip", "expected"),
    [
        ((), "192.0.2.1", True),
        ((), "whatever", True),
        (("192.0.2.0/24",), "192.0.2.1", True),
        (("192.0.2.0/24",), "::ffff:192.0.2.1", True),
        (("192.0.2.0/24",), "192.0.3.1", False),
        (("192.0.2.0/24",), "2001:db8::1", False),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("192.0.2.0/24",), "whatever", False),
        (("192.0.2.0/24",), "", False),
    ],
)
def test_a_grant_admits_its_networks_only(networks: tuple[str, ...], remote_ip: str, expected: bool) -> None:
    assert grant("a", *networks).admits(remote_ip) is expected


@pytest.mark.parametrize(
    ("remote_ip", "expected"),
    [("10.1.2.3", "narrow"), ("10.9.0.1", "wide"), ("192.0.2.1", None), ("::1", "six")],
)
def test_the_most_specific_network_decides(remote_ip: str, expected: str | None) -> None:
    grants = [grant("wide", "10.0.0.0/8"), grant("narrow", "10.1.2.0/24", "172.16.0.0/12"), grant("six", "::1/128")]
    found = nearest([*grants, grant("later", "10.1.2.0/24")], ip_address(remote_ip))
    assert (found.submitter.name if found else None) == expected


def test_a_hint_shows_four_characters_of_the_secret() -> None:
    assert tokens.hint_of(KEY) == "ph_7_aaaq"
