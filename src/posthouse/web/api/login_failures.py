"""Login failures by JSON: whom somebody wanted to be, at which door, from where, and why he was not let in."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.accounts import login_failures
from posthouse.accounts.login_attempts import LoginDoor, Reason
from posthouse.accounts.login_failures import LoginFailure, Wanted
from posthouse.model import limits
from posthouse.web.api.exchange import Answer, Exchange, answer


class LoginFailureView(msgspec.Struct, frozen=True):
    """Refusals of one account, from one place and for one reason, within a quarter of an hour."""

    id: Annotated[UUID, Meta(description="stays the same while more are added in its quarter of an hour")]
    door: Annotated[LoginDoor, Meta(description="pages: sign-in in the browser; smtp: submission; api: this")]
    account: Annotated[str, Meta(description="a person's address, an SMTP user name, or the beginning of an API key")]
    source: Annotated[str, Meta(description="IPv4 address, or the /64 of an IPv6 address; empty when it is not known")]
    reason: Annotated[
        Reason,
        Meta(
            description="wrong_secret: password or key; revoked: the credential; expired: the sign-in link; disabled: the person;"
            " network: all was right, but it may not be used from there"
        ),
    ]
    attempts: int
    first_at: datetime
    last_at: datetime


class LoginFailures(msgspec.Struct, frozen=True):
    """Login failures, the newest quarter of an hour first."""

    failures: tuple[LoginFailureView, ...]
    next: Annotated[UUID | None, Meta(description="`cursor` of the next page; null on the last")]


async def list_failures(exchange: Exchange) -> Answer:
    """A page of them."""
    query, workspace_id = cast("dict[str, Any]", exchange.query), exchange.submitter.workspace_id
    door, most = query.get("door"), query.get("limit", limits.PAGE_ROWS_DEFAULT)
    wanted = Wanted(query.get("since"), query.get("until"), LoginDoor(door) if door else None)
    pool = exchange.rooms.process.pool
    found = await login_failures.listing(pool, workspace_id, wanted, query.get("cursor"), most + 1)
    shown = tuple(map(view, found[:most]))
    return answer(LoginFailures(shown, shown[-1].id if len(found) > most else None))


def view(each: LoginFailure) -> LoginFailureView:
    """A row as the API shows it."""
    return LoginFailureView(
        id=each.failure_id,
        door=each.door,
        account=each.account,
        source=each.source,
        reason=each.reason,
        attempts=each.attempts,
        first_at=each.first_at,
        last_at=each.last_at,
    )
