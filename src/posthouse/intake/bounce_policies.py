"""Changes what a workspace does about mail that comes back; the audit log gets old and new values."""

from posthouse.accounts.changes import Change
from posthouse.ledger import bounce_policy
from posthouse.ledger.bounce_policy import BouncePolicy


async def choose(change: Change, policy: BouncePolicy) -> bool:
    """From the next failure on. False when it was chosen already."""
    before = await bounce_policy.of(change.connection, change.workspace_id)
    if before == policy:
        return False
    await bounce_policy.choose(change.connection, change.workspace_id, policy, change.now)
    await change.record("bounce_rules.change", "bounce rules", **before.changes(policy))
    return True
