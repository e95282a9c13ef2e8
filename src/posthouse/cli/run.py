"""`posthouse run ROLE`: one process of one role, here or on another host of the same installation."""

from typing import Annotated, Literal

from cyclopts import Parameter

from posthouse.cli.world import Where, run
from posthouse.runtime.process import run_role
from posthouse.runtime.seats import Seat, lone_seat
from posthouse.runtime.settings_source import SettingsError

RoleName = Literal[
    "web",
    "submission",
    "inbound",
    "transactional",
    "notification",
    "marketing",
    "delivery",
    "worker",
    "webhooks",
    "lab",
]


def run_command(
    role: RoleName,
    *,
    index: Annotated[int, Parameter(help="Which process of this role on this host, from 1.")] = 1,
    metrics_port: Annotated[int | None, Parameter(help="Port of /healthz, /readyz and /metrics; 0 is none.")] = None,
    where: Annotated[Where, Parameter(name="*")] = Where(),  # noqa: B008 - frozen
) -> None:
    """Run one process of a role until SIGTERM; as many as you like, on as many hosts as you like.

    All of them need the same postgres.dsn and the same key-encryption key.
    Whoever migrates is `posthouse up` or `posthouse migrate`; a role waits for it.

    For example:

        posthouse run delivery --config /etc/posthouse/posthouse.toml

        export POSTHOUSE_POSTGRES_DSN=postgresql://posthouse@db/posthouse
        posthouse run web --metrics-port 9700
    """
    run(_run(role, index, metrics_port, where))


async def _run(role: RoleName, index: int, metrics_port: int | None, where: Where) -> None:
    settings = where.settings()
    if not settings.postgres.dsn:
        raise SettingsError(["postgres.dsn: a role that runs alone needs it; `posthouse up` runs the embedded server"])
    alone = lone_seat(settings, role)
    port = alone.metrics_port if metrics_port is None else metrics_port
    await run_role(settings, Seat(role, index, port))
