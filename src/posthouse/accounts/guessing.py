"""Tells administrators of an account whose logins fail alarmingly often, for as long as they do."""

from typing import Final
from uuid import UUID

from posthouse.accounts import alerts, login_failures
from posthouse.accounts.alerts import Level, Trouble
from posthouse.accounts.login_failures import Guessed
from posthouse.model.sentences import Sentence, Value
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process

ALERT: Final = "login.failures"
PATH: Final = "/settings/login-failures"
_ACTOR: Final = "posthouse"


async def watch(process: Process, workspace_id: UUID) -> None:
    """Raises an alert for each such account of a workspace, and ends those that are over."""
    now = process.clock.now()
    found = await login_failures.guessed(process.pool, workspace_id, now)
    standing = await alerts.in_force(process.pool, workspace_id)
    over = {each.trouble.subject for each in standing if each.trouble.kind == ALERT} - {one.account for one in found}
    if not found and not over:
        return
    async with transaction(process.pool) as connection:
        for one in found:
            await alerts.report(connection, workspace_id, trouble(one), process.ids, _ACTOR, now)
        for account in sorted(over):
            await alerts.end(connection, workspace_id, ALERT, account, _ACTOR, now)


def trouble(one: Guessed) -> Trouble:
    """What is said of it. Pure."""
    values: dict[str, Value] = {"n": one.attempts, "account": one.account, "places": one.sources}
    words = (
        Sentence("{n} logins of {account} from one address were refused within the last half hour.", values)
        if one.sources == 1
        else Sentence("{n} logins of {account} from {places} addresses were refused within the last half hour.", values)
    )
    perhaps = Sentence("Somebody may be guessing, or a program has an old password or key.", {})
    return Trouble.of(ALERT, one.account, Level.WARNING, (words, perhaps), PATH)
