"""Which processes run and which ports they need."""

import pytest

from posthouse.runtime.seats import ROLES, Seat, doors, lone_seat, seats
from posthouse.runtime.settings import Settings

SETTINGS = Settings().with_("processes", transactional=1).with_("metrics", port=9600)


def names(settings: Settings) -> list[str]:
    return [seat.name for seat in seats(settings)]


def test_without_the_lab_there_is_one_process_of_each_other_role_and_of_each_pool() -> None:
    roles = ["web", "submission", "inbound", "transactional", "notification", "marketing", "worker", "webhooks"]
    assert names(SETTINGS) == roles


def test_a_small_machine_serves_all_pools_in_one_process() -> None:
    small = SETTINGS.with_("processes", delivery=1, transactional=0, notification=0, marketing=0)
    assert names(small) == ["web", "submission", "inbound", "worker", "delivery", "webhooks"]


def test_with_a_shared_pool_only_that_pool_has_processes() -> None:
    shared = SETTINGS.with_("delivery", shared_pool=True)
    assert names(shared) == ["web", "submission", "inbound", "transactional", "worker", "webhooks"]


def test_further_processes_of_a_role_have_numbered_names_and_ports_behind_the_first_ones() -> None:
    settings = SETTINGS.with_("processes", transactional=3, web=0).with_("lab", enabled=True)
    assert seats(settings)[-2:] == [Seat("transactional", 2, 9610), Seat("transactional", 3, 9611)]
    assert names(settings)[-2:] == ["transactional.2", "transactional.3"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_alone_has_the_health_port_of_the_first_under_a_supervisor(role: str) -> None:
    every = SETTINGS.with_("lab", enabled=True).with_("processes", delivery=1)
    together = {seat.name: seat for seat in seats(every)}
    assert lone_seat(SETTINGS, role) == together[role]


def test_health_ports_can_be_off() -> None:
    assert {seat.metrics_port for seat in seats(SETTINGS.with_("metrics", port=0))} == {0}


def test_only_roles_that_run_need_their_ports() -> None:
    settings = SETTINGS.with_("processes", submission=0).with_("metrics", port=0)
    assert [(door.setting, door.port) for door in doors(settings)] == [("web.port", 8080), ("inbound.port", 25)]
