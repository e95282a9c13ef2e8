"""Which processes `posthouse up` runs, and which ports they need; pure."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from posthouse.model.words import Pool
from posthouse.runtime.settings import Settings

ROLES: Final = {
    "web": "posthouse.web.host:main",
    "submission": "posthouse.intake.smtp:main",
    "inbound": "posthouse.intake.inbound:main",
    "transactional": "posthouse.delivery.host:main",
    "notification": "posthouse.delivery.host:main",
    "marketing": "posthouse.delivery.host:main",
    "worker": "posthouse.delivery.worker:main",
    "lab": "posthouse.lab.host:main",
    "delivery": "posthouse.delivery.host:main",  # all three pools in one process
    "webhooks": "posthouse.webhooks.host:main",
}
"""Every role and its `async def main(process: Process) -> None`, which returns once `stopping` is set and it has drained."""

_DELIVERY_AT_MOST: Final = 4


@dataclass(frozen=True, slots=True)
class Seat:
    """A place for one process: its role, which one of that role (from 1), and its health port (0: none)."""

    role: str
    index: int
    metrics_port: int

    @property
    def name(self) -> str:
        """web, delivery, delivery.2 ..."""
        return self.role if self.index == 1 else f"{self.role}.{self.index}"


def seats(settings: Settings) -> list[Seat]:
    """Every process to run. The first of each role has a health port of its own that does not depend on what else runs."""
    counts = {role: processes(settings, role) for role in ROLES}
    first = [lone_seat(settings, role) for role in ROLES if counts[role]]
    more = [(role, index) for role in ROLES for index in range(2, counts[role] + 1)]
    return first + [Seat(*place, metrics_port(settings, number)) for number, place in enumerate(more, len(ROLES))]


def metrics_port(settings: Settings, number: int) -> int:
    """The health port of the process with this number, from 0."""
    return settings.metrics.port + number if settings.metrics.port else 0


def lone_seat(settings: Settings, role: str) -> Seat:
    """The place of the first process of a role, under a supervisor or alone."""
    return Seat(role, 1, metrics_port(settings, list(ROLES).index(role)))


def processes(settings: Settings, role: str) -> int:
    """How many processes of a role run here."""
    if role == "lab" and not settings.lab.enabled:
        return 0
    if role in {Pool.NOTIFICATION, Pool.MARKETING} and settings.delivery.shared_pool:
        return 0
    count: int = getattr(settings.processes, role)
    if role == "transactional" and count == 0 and not settings.processes.delivery:
        return min(os.cpu_count() or 1, _DELIVERY_AT_MOST)
    return count


@dataclass(frozen=True, slots=True)
class Door:
    """A port that a role listens on, and the setting that chose it."""

    role: str
    host: str
    port: int
    setting: str


def doors(settings: Settings) -> Iterator[Door]:
    """Every port the processes will listen on."""
    running = seats(settings)
    roles = {seat.role for seat in running}
    for door in _role_doors(settings):
        if door.role in roles:
            yield door
    for seat in running:
        if seat.metrics_port:
            yield Door(seat.role, settings.metrics.host, seat.metrics_port, "metrics.port")


def _role_doors(settings: Settings) -> Iterator[Door]:
    submission, inbound, lab = settings.submission, settings.inbound, settings.lab
    yield Door("web", settings.web.host, settings.web.port, "web.port")
    yield Door("submission", submission.host, submission.port, "submission.port")
    yield Door("submission", submission.host, submission.tls_port, "submission.tls_port")
    yield Door("inbound", inbound.host, inbound.port, "inbound.port")
    yield Door("lab", lab.host, lab.smtp_port, "lab.smtp_port")
    yield Door("lab", lab.host, lab.web_port, "lab.web_port")
    yield Door("lab", lab.host, lab.broken_tls_port, "lab.broken_tls_port")
