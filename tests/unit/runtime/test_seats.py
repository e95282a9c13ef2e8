"""Which processes run and which ports they need."""

import pytest

from posthouse.runtime.seats import ROLES, Seat, doors, lone_seat, seats
from posthouse.runtime.settings import Settings

SETTINGS = Settings().with_("processes", delivery=1).with_("metrics", port=9600)


def test_without_the_lab_there_is_one_process_of_each_other_role() -> None:
    assert [seat.name for seat in seats(SETTINGS)] == ["web", "submission", "inbound", "delivery", "worker"]


def test_further_processes_of_a_role_have_numbered_names_and_ports_behind_the_first_ones() -> None:
    settings = SETTINGS.with_("processes", delivery=3, web=0).with_("lab", enabled=True)
    assert seats(settings)[-2:] == [Seat("delivery", 2, 9606), Seat("delivery", 3, 9607)]
    assert [seat.name for seat in seats(settings)][-2:] == ["delivery.2", "delivery.3"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_alone_has_the_health_port_of_the_first_under_a_supervisor(role: str) -> None:
    together = {seat.name: seat for seat in seats(SETTINGS.with_("lab", enabled=True))}
    assert lone_seat(SETTINGS, role) == together[role]


def test_health_ports_can_be_off() -> None:
    assert {seat.metrics_port for seat in seats(SETTINGS.with_("metrics", port=0))} == {0}


def test_only_roles_that_run_need_their_ports() -> None:
    settings = SETTINGS.with_("processes", submission=0).with_("metrics", port=0)
    assert [(door.setting, door.port) for door in doors(settings)] == [("web.port", 8080), ("inbound.port", 25)]
