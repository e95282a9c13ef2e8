"""The role lab: the MX, the MX whose TLS is broken, and the web mailbox, in one process because the mail is in its memory."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator, Mapping

import uvicorn

from posthouse.accounts import bootstrap, domains, workspaces
from posthouse.intake.listener import Listener
from posthouse.lab import mx, site
from posthouse.lab.mailbox import Mailbox
from posthouse.lab.published import Published
from posthouse.lab.reports import Postman
from posthouse.model.limits import LAB_CONNECTIONS
from posthouse.runtime import network
from posthouse.runtime.process import Process
from posthouse.runtime.settings import connectable

HOSTNAME = "mx.lab.test"


async def main(process: Process) -> None:
    """Serve until the process is asked to stop."""
    settings = process.settings
    assert settings.lab.enabled, "the lab never runs unless it was asked for"
    mailbox = Mailbox()
    postman = Postman((connectable(settings.inbound.host), settings.inbound.port), process.clock.now)
    world = mx.World(mailbox, postman, process.clock.now)
    lookups = published(process, await _lab_keys(process))
    server = web_server(site.app(site.Lab(mailbox, lookups, lookups.lab_keys, process.clock.now)))
    web_socket = network.bind(settings.lab.host, settings.lab.web_port, "lab.web_port")
    listeners = [await _listen(process, world, broken_tls=broken) for broken in (False, True)]
    serving = asyncio.create_task(server.serve(sockets=[web_socket]))
    process.ready()
    await asyncio.gather(*(listener.run(process.stopping) for listener in listeners))
    await postman.close()
    server.should_exit = True
    await serving


def published(process: Process, lab_keys: Mapping[str, str]) -> Published:
    """The lab's DNS for this installation."""

    async def domain_key(selector: str, domain: str) -> str | None:
        async with process.pool.acquire() as connection:
            for workspace in await workspaces.listing(connection):
                found = await domains.find(connection, workspace.workspace_id, domain)
                for key in found.keys if found else ():
                    if key.selector == selector:
                        return key.value
        return None

    return Published(lab_keys, frozenset({process.settings.bounce_domain.lower()}), domain_key)


class WebServer(uvicorn.Server):
    """Uvicorn without signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def web_server(app: site.App) -> WebServer:
    """The web mailbox, without access log and start-up talk."""
    return WebServer(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3)
    )


async def _lab_keys(process: Process) -> dict[str, str]:
    async with process.pool.acquire() as connection:
        return await bootstrap.lab_keys(connection)


async def _listen(process: Process, world: mx.World, *, broken_tls: bool) -> Listener:
    settings = process.settings.lab
    listener = Listener(
        lambda connection: mx.LabMx(world, connection),
        log=process.log,
        tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if broken_tls else network.server_tls(process.settings),
        most=LAB_CONNECTIONS,
        most_of_one=LAB_CONNECTIONS,
        source_of=lambda address: address,
    )
    port = settings.broken_tls_port if broken_tls else settings.smtp_port
    name = "lab.broken_tls_port" if broken_tls else "lab.smtp_port"
    await listener.listen(network.bind(settings.host, port, name), mx.config(HOSTNAME))
    return listener
