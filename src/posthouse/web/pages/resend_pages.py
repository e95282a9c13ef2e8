"""Sending a message again: says who would get it, asks, and leads to the page of the new message.

Only recipients whose mail has come to an end are offered: what still waits would arrive twice.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts.sign_in import SignedIn
from posthouse.intake.accept import Idempotency, KeyConflict, Replay
from posthouse.intake.resend import compose
from posthouse.model.mail import Accepted, AcceptedRecipient, Refused, Submission
from posthouse.model.words import FINAL_STATES, Role, State
from posthouse.outbox import messages
from posthouse.outbox.messages import MessageRow, RecipientRow
from posthouse.web.pages import words
from posthouse.web.pages.send import place
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import page, see
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech

_TOUCHES: Final = (
    N_("Whoever is ticked gets this mail once more, as a new message with a page of its own."),
    N_("The content stays as it was sent; only its Message-ID and its date are new."),
)


@get("/messages/{message_id:uuid}/resend", include_in_schema=False)
async def resend_page(request: Page, person: Person, message_id: FromPath[UUID]) -> Response[str]:
    """Says who would get it again, and asks."""
    need(person, Role.SENDER)
    return await _page(request, person, await _original(request, person, message_id))


@post("/messages/{message_id:uuid}/resend", status_code=200, include_in_schema=False)
async def resend(request: Page, person: Person, message_id: FromPath[UUID]) -> Response[str] | Redirect:
    """Hands it to the door and goes to the new message. A form posted twice sends once."""
    need(person, Role.SENDER)
    fields = await form(request, person)
    original = await _original(request, person, message_id)
    to = [value for value in fields.getall("to", []) if isinstance(value, str)]
    if not to:
        return see(f"/messages/{message_id}?said=nothing")
    process, directory, door = rooms(request).process, rooms(request).directory, rooms(request).door
    submitter = await directory.for_person(person)
    composed = await compose(process, directory, submitter, original, to)
    if not isinstance(composed, Submission):
        return await _page(request, person, original)
    fingerprint = sha256(repr((message_id, sorted(to))).encode()).digest()
    idempotency = Idempotency(f"page-{person.user.user_id}-{text(fields, 'once')}", fingerprint, place)
    match await door.accept(submitter, [composed], idempotency):
        case Replay(_, there):
            return see(there.decode())
        case KeyConflict():
            return see(f"/messages/{message_id}/resend")
        case [Accepted() as accepted]:
            return see(place([accepted])[1].decode())
        case _:
            return await _page(request, person, original)


async def _original(request: Page, person: SignedIn, message_id: UUID) -> MessageRow:
    async with rooms(request).process.pool.acquire() as connection:
        found = await messages.find(connection, person.workspace.workspace_id, message_id)
    if found is None:
        raise NotFoundException
    return found


async def _page(request: Page, person: SignedIn, original: MessageRow) -> Response[str]:
    spoken = speech(request, person)
    async with rooms(request).process.pool.acquire() as connection:
        known = await messages.recipients(connection, person.workspace.workspace_id, original.message_id)
    settled = [recipient for recipient in known if recipient.state in FINAL_STATES]
    outcome = await _rehearsed(request, person, original, settled)
    possible = isinstance(outcome, Accepted)
    choices = _choices(settled, outcome.recipients, spoken) if isinstance(outcome, Accepted) else []
    return page(
        request,
        person,
        "sure.html",
        "messages",
        heading=spoken.say("Send again"),
        back=f"/messages/{original.message_id}",
        back_label=original.subject or spoken.say("(no subject)"),
        back_is_name=True,
        touches=[spoken.say(sentence) for sentence in (outcome if isinstance(outcome, tuple) else _TOUCHES)],
        tone="wait",
        action=f"/messages/{original.message_id}/resend",
        fields={"once": str(rooms(request).process.ids.new())},
        label=spoken.say("Send again"),
        look="",
        choices=choices,
        possible=possible and any(choice["possible"] for choice in choices),
    )


async def _rehearsed(
    request: Page, person: SignedIn, original: MessageRow, settled: Sequence[RecipientRow]
) -> Accepted | tuple[str, ...]:
    """What the door would say to all of them, or the sentences why it cannot be sent again."""
    if not settled:
        return (N_("This mail is still on its way. It can be sent again once that has come to an end."),)
    process, directory, door = rooms(request).process, rooms(request).directory, rooms(request).door
    submitter = await directory.for_person(person)
    composed = await compose(process, directory, submitter, original, [recipient.address for recipient in settled])
    if composed is None:
        return (N_("The content is no longer kept: its retention has passed."),)
    receipt = composed if isinstance(composed, Refused) else (await door.dry_run(submitter, [composed]))[0]
    return receipt if isinstance(receipt, Accepted) else tuple(problem.detail for problem in receipt.problems)


def _choices(
    settled: Sequence[RecipientRow], rehearsed: Iterable[AcceptedRecipient], spoken: Speech
) -> list[dict[str, Any]]:
    """A box for each, with how it ended. Ticked are those it did not reach, or all when it reached everybody."""
    reasons = {each.address: words.reason(each.reason, spoken) for each in rehearsed if each.state is State.SUPPRESSED}
    reached_all = all(recipient.state is State.DELIVERED for recipient in settled)
    return [
        {
            "name": "to",
            "value": recipient.address,
            "possible": recipient.address not in reasons,
            "ticked": recipient.address not in reasons and (reached_all or recipient.state is not State.DELIVERED),
            "state": spoken.say(words.STATES[recipient.state].label),
            "reason": reasons.get(recipient.address, ""),
        }
        for recipient in settled
    ]
