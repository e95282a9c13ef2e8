"""The verbs of `posthouse queue` that change mail: retry, hold, release, cancel, bounce, move."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from cyclopts import Parameter

from posthouse.cli import acting, console
from posthouse.cli.console import HERE, Installation, Json, Number, Yes
from posthouse.cli.world import EXIT_SETTINGS
from posthouse.delivery import rates
from posthouse.model.words import Pool, State
from posthouse.outbox.operator import BOUNCE, CANCEL, HOLD, RELEASE, RETRY, Selection, move_to
from posthouse.wire.addresses import to_a_label

PoolName: TypeAlias = Literal["transactional", "notification", "marketing"]
Reason: TypeAlias = Annotated[str, Parameter(help="Why; shown with the mail and kept in the audit log.")]


@dataclass(frozen=True, slots=True)
class Which:
    """The mail that is meant: all that meets every condition given. At least one is."""

    domain: Annotated[str, Parameter(help="Mail for this destination.", show_default=False)] = ""
    message: Annotated[UUID | None, Parameter(help="All recipients of this message.")] = None
    recipient: Annotated[
        tuple[UUID, ...],
        Parameter(help="This recipient's mail; may be given several times.", negative="", show_default=False),
    ] = ()
    pool: Annotated[PoolName | None, Parameter(help="Mail that leaves by this pool.")] = None
    state: Annotated[Literal["waiting", "ready", "held"] | None, Parameter(help="Mail in this state.")] = None
    sender: Annotated[str, Parameter(help="Mail from this address.", show_default=False)] = ""
    tag: Annotated[str, Parameter(help="Mail with this tag.", show_default=False)] = ""
    priority_from: Annotated[int | None, Parameter(help="Mail of at least this priority.")] = None
    priority_to: Annotated[int | None, Parameter(help="Mail of at most this priority.")] = None
    older_than: Annotated[str, Parameter(help="Mail accepted so long ago: 90min, 2h, 3d.", show_default=False)] = ""
    attempts: Annotated[int | None, Parameter(help="Mail that was tried at least so often.")] = None
    reply: Annotated[str, Parameter(help="Mail whose last reply has these words in it.", show_default=False)] = ""

    def selection(self) -> Selection:
        """For the outbox. Ends the command when nothing is named or something cannot be read."""
        if self == NOTHING:
            console.leave("Say which mail; --help lists the conditions.", status=EXIT_SETTINGS)
        return Selection(
            message_id=self.message,
            recipient_ids=list(self.recipient) or None,
            domain=domain_of(self.domain),
            pool=Pool(self.pool) if self.pool else None,
            state=State(self.state) if self.state else None,
            sender=self.sender or None,
            tag=self.tag or None,
            priority_least=self.priority_from,
            priority_most=self.priority_to,
            accepted_before=datetime.now(UTC) - duration(self.older_than) if self.older_than else None,
            attempts_least=self.attempts,
            reply=self.reply or None,
        )


NOTHING: Final = Which()


def domain_of(text: str) -> str | None:
    """The domain as the queue has it, None for none. Ends the command for what is no domain."""
    label = to_a_label(text) if text else None
    if text and label is None:
        console.leave(f"{text} is not a domain name.", status=EXIT_SETTINGS)
    return label


def duration(text: str) -> timedelta:
    """Of `90min`, `2h` or `3d`. Ends the command for what is none."""
    try:
        return timedelta(seconds=rates.seconds(text))
    except (ValueError, OverflowError) as error:
        console.leave(str(error), status=EXIT_SETTINGS)


def retry(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Try waiting mail at once instead of at its next time.

    Exit status: 0 done (also when there was none), 1 not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue retry --domain gmail.com

        posthouse queue retry --pool marketing --reply "try again later" --attempts 3 --yes
    """
    acting.act(where, workspace, RETRY, which.selection(), yes=yes, as_json=as_json)


def hold(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Stop mail from leaving until it is released, or expires. `posthouse queue suspend` also stops what is yet to come.

    Exit status: 0 done (also when there was none), 1 not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue hold --domain gmail.com --yes
    """
    acting.act(where, workspace, HOLD, which.selection(), yes=yes, as_json=as_json, reason=reason)


def release(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Let held mail go, each at its own time.

    Exit status: 0 done (also when there was none), 1 not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue release --domain gmail.com --yes
    """
    acting.act(where, workspace, RELEASE, which.selection(), yes=yes, as_json=as_json)


def cancel(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Take back mail that has not left. It cannot be undone.

    Exit status: 0 done (also when there was none), 1 not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue cancel --message 019ae3d2-7c00-7000-8000-000000000001
    """
    acting.act(where, workspace, CANCEL, which.selection(), yes=yes, as_json=as_json, reason=reason)


def bounce(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Give mail up as undeliverable, for the reason given. Its addresses stay usable. It cannot be undone.

    Exit status: 0 done (also when there was none), 1 refused or not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue bounce --domain gmial.com --reason "The domain is a misspelling."

        posthouse queue bounce --tag november --older-than 2d --reason "The offer is over." --yes
    """
    acting.act(where, workspace, BOUNCE, which.selection(), yes=yes, as_json=as_json, reason=reason)


def move(
    *,
    to: PoolName,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    reason: Reason = "",
    force: Annotated[
        bool, Parameter(negative="", help="Move marketing to the transactional pool too; needs --reason.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Have mail leave by another pool: with its processes, its addresses and its limits.

    Exit status: 0 done (also when there was none), 1 refused or not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue move --to notification --tag digest --yes
    """
    action = move_to(Pool(to), forced=force)
    acting.act(where, workspace, action, which.selection(), yes=yes, as_json=as_json, reason=reason)


VERBS: Final[tuple[Callable[..., None], ...]] = (retry, hold, release, cancel, bounce, move)
