"""Posts exports to the webhooks they name: part after part, each signed like an event, each again and again for a day.

A part is posted as {"type": "export.part", ...} with its text in `data.content`; who puts the parts of one export together in the order of
`data.part` has the file. A part may come twice, with the same webhook-id.
"""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from posthouse.exports import files, uploads, writing
from posthouse.exports.uploads import Upload
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime.http_post import Patience, Posted
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.webhooks import endpoints, schedule, signature, target
from posthouse.webhooks.endpoints import InService
from posthouse.webhooks.lane import World
from posthouse.webhooks.schedule import State

TYPE: Final = "export.part"
_PATIENCE: Final = Patience(limits.WEBHOOK_CONNECT_S, limits.WEBHOOK_S, limits.WEBHOOK_ANSWER_OCTETS)
_PER_ROUND: Final = 20


async def post_due(world: World) -> None:
    """One part of every export that is due, side by side: one endpoint that does not answer costs the others one time-out, not one each."""
    process = world.process
    due = await uploads.due(process.pool, process.clock.now(), _PER_ROUND)
    await asyncio.gather(*(_next_part(world, *each) for each in due))


async def _next_part(world: World, workspace_id: UUID, export_id: UUID) -> None:
    process = world.process
    now = process.clock.now()
    until = now + timedelta(seconds=limits.EXPORT_UPLOAD_LEASE_S)
    try:
        upload = await uploads.claim(process.pool, workspace_id, export_id, now, until)
        if upload is not None:
            await _post(world, upload)
    except DATABASE_GONE as error:
        process.log.warning("export.waits", export=str(export_id), error=str(error))
    except Exception:
        # A mistake of ours about one export stops no other; its part is posted again when the claim is over.
        process.log.exception("export.failed", export=str(export_id))


async def _post(world: World, upload: Upload) -> None:
    process = world.process
    async with process.pool.acquire() as connection:
        serving = {each.endpoint_id: each for each in await endpoints.in_service(connection)}
        part = await files.part(connection, *upload.place)
    endpoint = serving.get(upload.webhook_id)
    if endpoint is None or endpoint.workspace_id != upload.workspace_id:
        await uploads.fail(process.pool, upload, "The webhook it was to be posted to is switched off or deleted.")
        return
    if part is None:
        return  # deleted meanwhile
    body = _body(upload, *part, process.clock.now())
    status, detail, retry_after = await _posted(world, endpoint, f"{upload.export_id}.{upload.uploaded}", body)
    now = process.clock.now()
    asked_s = schedule.asked_pause_s(status, retry_after, now)
    verdict = schedule.judge(status, upload.tries, upload.first_tried_at, now, world.random.random(), asked_s)
    if verdict.answered:
        await uploads.taken(process.pool, upload, now)
    elif verdict.state is State.FAILED:
        await uploads.fail(process.pool, upload, f"It could not be posted: {detail}")
    else:
        await uploads.put_off(process.pool, upload, verdict.due_at, f"The last try to post it failed: {detail}")


async def _posted(world: World, endpoint: InService, webhook_id: str, body: bytes) -> tuple[int | None, str, str]:
    """The status of the answer, None without any, what went wrong, and the field Retry-After."""
    where = target.read(endpoint.url, world.allowed)
    if isinstance(where, FieldProblem):
        return None, where.detail, ""
    now = world.process.clock.now()
    async with world.process.pool.acquire() as connection:
        secrets = await endpoints.secrets_of(connection, world.process.vault, endpoint, now)
    headers = signature.headers(secrets, webhook_id, int(now.timestamp()), body)
    answer = await world.poster.post(where, headers, body, _PATIENCE)
    if not isinstance(answer, Posted):
        return None, f"{answer.detail}.", ""
    return answer.status, f"It answered {answer.status}.", answer.retry_after


def _body(upload: Upload, rows: int, content: bytes, now: datetime) -> bytes:
    data: dict[str, Any] = {
        "export_id": str(upload.export_id),
        "what": upload.what,
        "format": upload.form,
        "since": upload.since.isoformat(),
        "until": upload.until.isoformat(),
        "part": upload.uploaded + 1,
        "parts": upload.parts,
        "rows": rows,
        "all_rows": upload.rows,
        "content": writing.unpacked(content).decode(),
    }
    return json.dumps({"type": TYPE, "timestamp": now.isoformat(), "data": data}).encode()
