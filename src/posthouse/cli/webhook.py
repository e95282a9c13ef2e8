"""`posthouse webhook`: programs that are told of events."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Number, Refused, Room, Yes
from posthouse.cli.world import Where
from posthouse.runtime.reach import networks
from posthouse.webhooks import deliveries, endpoints, payload, replay
from posthouse.webhooks.deliveries import COUNTED
from posthouse.webhooks.endpoints import Endpoint, Made, Wish
from posthouse.webhooks.replay import Replayed

app: Final = App(name="webhook", help="Programs that are told of events.")

_EMPTY: Final = "No webhooks yet. Add one: posthouse webhook add https://example.com/hooks"
_Counted = tuple[Endpoint, int, int]


@app.command(name="list")
def list_webhooks(*, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """List webhooks with what waits for them and what was given up.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse webhook list
        posthouse webhook list --json
    """
    found = console.run(_listing(where, workspace))
    console.show([_view(*each) for each in found], lambda: _table(found), as_json=as_json)


@app.command
def add(
    url: str,
    /,
    *,
    event: Annotated[
        tuple[str, ...], Parameter(negative="", help="As in message.bounced; may be repeated. Without: every event.")
    ] = (),
    description: Annotated[str, Parameter(help="What people call it.")] = "",
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Add a webhook and print the secret that signs what it is sent, this once.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse webhook add https://crm.example.com/hooks/mail
        posthouse webhook add https://crm.example.com/hooks/mail --event message.bounced --event message.complained
    """
    made = console.run(_add(where, workspace, Wish(url, description, tuple(map(payload.kind_of, event)))))
    told = {**_view(made.endpoint, 0, 0), "secret": made.secret}
    lines = f"Webhook:  {made.endpoint.endpoint_id}\nSecret:   {made.secret}\nThe secret is shown only now."
    console.show(told, lambda: lines, as_json=as_json)


@app.command
def remove(
    webhook: str, /, *, yes: Yes = False, as_json: Json = False, workspace: Number = None, where: Installation = HERE
) -> None:
    """Delete a webhook; what waits for it is not sent. WEBHOOK is its id, or its address as `webhook list` shows it.

    Exit status: 0 done, 1 not found, 2 wrong usage, 3 no database.

    For example:

        posthouse webhook remove https://crm.example.com/hooks/mail --yes
    """
    console.confirm(f"Delete the webhook {webhook} and all that waits for it?", yes=yes)
    endpoint = console.run(_remove(where, workspace, webhook))
    console.show(_view(endpoint, 0, 0), lambda: f"Deleted {endpoint.url}.", as_json=as_json)


@app.command(name="test")
def send_test(webhook: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Send an event that tells of nothing. WEBHOOK is its id, or its address.

    Exit status: 0 on its way, 1 not found, 2 wrong usage, 3 no database.

    For example:

        posthouse webhook test https://crm.example.com/hooks/mail
    """
    event_id = console.run(_test(where, workspace, webhook))
    console.show({"event_id": event_id}, lambda: f"On its way: {event_id}.", as_json=as_json)


@app.command(name="replay")
def send_again(
    webhook: str,
    /,
    *,
    event: Annotated[UUID | None, Parameter(help="This event alone, by its webhook-id.")] = None,
    since: Annotated[datetime | None, Parameter(help="What has happened from then on; local time.")] = None,
    failed: Annotated[bool, Parameter(negative="", help="Only what was given up.")] = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Send events once more: one, all since a time, or all that were given up. WEBHOOK is its id, or its address.

    Exit status: 0 on their way, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse webhook replay https://crm.example.com/hooks/mail --failed
        posthouse webhook replay https://crm.example.com/hooks/mail --since 2026-11-20T08:00:00
        posthouse webhook replay 01a2043a-aee3-736f-b195-66f51085d51e --event 01a2043a-af0f-7250-960e-f9d45cf2c4fb
    """
    if (event is not None) == (failed or since is not None):
        console.leave("Say --event, --since or --failed.", status=2)
    at = since.astimezone() if since else None
    done = console.run(_replay(where, workspace, webhook, event, at, failed=failed))
    console.show({"events": done.events, "next_since": done.next_since}, lambda: _told(done), as_json=as_json)


async def _listing(where: Where, number: int | None) -> list[_Counted]:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        workspace_id = room.workspace.workspace_id
        found = await endpoints.listing(connection, workspace_id)
        return [(each, *(await deliveries.counts(connection, workspace_id, each.endpoint_id))) for each in found]


async def _add(where: Where, number: int | None, wish: Wish) -> Made:
    async with console.opened(where, number) as room, room.changing() as change:
        allowed = networks(room.process.settings.webhooks.allowed_networks)
        return console.accepted(await endpoints.add(change, wish, allowed))


async def _remove(where: Where, number: int | None, webhook: str) -> Endpoint:
    async with console.opened(where, number) as room:
        endpoint = await _meant(room, webhook)
        async with room.changing() as change:
            await endpoints.delete(change, endpoint.endpoint_id)
        return endpoint


async def _test(where: Where, number: int | None, webhook: str) -> UUID:
    async with console.opened(where, number) as room:
        endpoint = await _meant(room, webhook)
        async with room.changing() as change:
            return await replay.test(change, endpoint)


async def _replay(
    where: Where, number: int | None, webhook: str, event: UUID | None, since: datetime | None, *, failed: bool
) -> Replayed:
    async with console.opened(where, number) as room:
        endpoint = await _meant(room, webhook)
        async with room.changing() as change:
            if event is not None:
                done = await replay.one(change, endpoint, event)
                if done is None:
                    raise Refused(f"There is no event {event}, or it is no longer kept.")
                return done
            if failed or since is None:
                return await replay.all_failed(change, endpoint, since)
            return await replay.all_since(change, endpoint, since)


async def _meant(room: Room, webhook: str) -> Endpoint:
    known = await endpoints.listing(room.process.pool, room.workspace.workspace_id)
    meant = [each for each in known if webhook in {str(each.endpoint_id), each.url}]
    if len(meant) != 1:
        raise Refused(
            f"{len(meant)} webhooks have the address {webhook}: give the id."
            if meant
            else f"There is no webhook {webhook}."
        )
    return meant[0]


def _view(endpoint: Endpoint, pending: int, failed: int) -> dict[str, Any]:
    return {
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": [payload.type_of(kind) for kind in endpoint.kinds],
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "pending": pending,
        "failed": failed,
        "created_at": endpoint.created_at,
        "created_by": endpoint.created_by,
    }


def _table(found: list[_Counted]) -> Table | Text:
    columns = ("id", "address", "events", "state", "waiting", "given up")
    rows = [
        (each.endpoint_id, each.url, _events(each), _state(each), _count(pending), _count(failed))
        for each, pending, failed in found
    ]
    return console.table(columns, rows, _EMPTY)


def _events(endpoint: Endpoint) -> str:
    return ", ".join(map(payload.type_of, endpoint.kinds)) or "all"


def _state(endpoint: Endpoint) -> Text:
    if not endpoint.enabled:
        return Text(f"off: {endpoint.disabled_reason}", style="bold red")
    if endpoint.failing_since:
        return Text(f"failing since {endpoint.failing_since.astimezone():%Y-%m-%d %H:%M}", style="yellow")
    return Text("on", style="green")


def _count(number: int) -> str:
    return f"{number:,}" if number < COUNTED else f"{COUNTED:,} or more"


def _told(done: Replayed) -> str:
    events = "1 event is" if done.events == 1 else f"{done.events:,} events are"
    more = f" There are more: --since {done.next_since.astimezone().isoformat()}" if done.next_since else ""
    return f"{events} sent once more.{more}"
