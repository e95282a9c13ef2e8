"""What the command line makes of the settings, and what is said at the end."""

import pytest

from posthouse.cli.announcement import as_text
from posthouse.cli.up import Choice, announce, chosen, with_lab_routes
from posthouse.runtime.seats import doors
from posthouse.runtime.settings import Settings

SETTINGS = Settings().with_("processes", transactional=1)
LAB = Choice(lab=True, json=False, port_base=None)


def test_without_a_choice_the_settings_are_used_as_they_are() -> None:
    assert chosen(SETTINGS, Choice(lab=False, json=True, port_base=None)) == SETTINGS


def test_ports_count_from_the_base() -> None:
    settings = chosen(SETTINGS, Choice(lab=True, json=False, port_base=9000))
    assert [(door.setting, door.port) for door in doors(settings)][:7] == [
        ("web.port", 9000),
        ("submission.port", 9001),
        ("submission.tls_port", 9002),
        ("inbound.port", 9003),
        ("lab.smtp_port", 9004),
        ("lab.web_port", 9005),
        ("lab.broken_tls_port", 9006),
    ]
    assert [door.port for door in doors(settings) if door.setting == "metrics.port"] == [
        9010,
        9011,
        9012,
        9013,
        9014,
        9015,
        9016,
        9017,
        9019,
    ]


def test_the_lab_is_on_loopback_and_from_8600_unless_ports_are_chosen() -> None:
    settings = chosen(SETTINGS, LAB)
    assert {door.host for door in doors(settings)} == {"127.0.0.1"}
    assert settings.web.port == 8600
    assert chosen(SETTINGS.with_("web", port=4000), LAB).web.port == 4000


def test_passwords_in_the_clear_and_private_receivers_are_for_the_lab_only() -> None:
    for choice, allowed in ((LAB, True), (Choice(lab=False, json=False, port_base=8600), False)):
        settings = chosen(SETTINGS, choice)
        assert (settings.submission.auth_without_tls, settings.delivery.allow_private_mx) == (allowed, allowed)


@pytest.mark.parametrize(
    ("given", "star"),
    [({}, "127.0.0.1:8604"), ({"a.test": "h:1"}, "127.0.0.1:8604"), ({"*": "127.0.0.1:2626"}, "127.0.0.1:2626")],
)
def test_domains_without_a_route_go_to_the_lab_and_given_routes_win(given: dict[str, str], star: str) -> None:
    routes = with_lab_routes(chosen(SETTINGS.with_("delivery", routes=given), LAB)).delivery.routes
    assert routes["*"] == star
    assert routes["broken-tls.lab.test"] == "127.0.0.1:8606"
    assert given.items() <= routes.items()


def test_a_person_is_told_the_addresses_and_a_command_to_copy() -> None:
    text = as_text(announce(chosen(SETTINGS, LAB), "ph_1_key", "ws1-user", "secret", "token"))
    for part in (
        "http://127.0.0.1:8600/sign-in/token",
        "--auth-user ws1-user",
        "Bearer ph_1_key",
        "http://127.0.0.1:8605",
    ):
        assert part in text


def test_without_a_lab_nothing_about_it_is_said() -> None:
    said = announce(SETTINGS, "", "", "", "")
    assert (said.lab_smtp, said.lab_web, said.sign_in) == ("", "", "")
    assert "swaks" not in as_text(said)
    assert "lab" not in as_text(said)
