"""Who has become a bulk sender: thousands of mails a day to a provider's personal accounts, all of one organization's From domains.

Gmail and Microsoft ask more of such senders, and never forget. The organizational domain comes from the DNS (RFC 9989), which is
asked only when a workspace sends a provider so much in all.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from posthouse.accounts import alerts
from posthouse.accounts.alerts import Level, Trouble
from posthouse.intake.reputation import PATH
from posthouse.ledger import reputation
from posthouse.ledger.breakers import WINDOW_H
from posthouse.ledger.providers import NAMES, Provider
from posthouse.ledger.reputation import BulkSender, Counted
from posthouse.model.limits import BULK_MAILS
from posthouse.model.sentences import Sentence, Value
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process
from posthouse.wire import dmarc
from posthouse.wire.lookups import Lookups

ALERT: Final = "bulk_sender"
_ACTOR: Final = "reputation"
_ASK: Final = {
    Provider.GMAIL: Sentence(
        "From now on Gmail requires of all its mail: SPF and DKIM, a DMARC record aligned with From, TLS, a PTR record that agrees with"
        " the name of the sending address, one-click unsubscribe in marketing, and fewer than 0.3 % complaints.",
        {},
    ),
    Provider.MICROSOFT: Sentence(
        "From now on Microsoft requires of all its mail: SPF and DKIM that pass, and a DMARC record aligned with From. What lacks them is"
        " refused with 550 5.7.515.",
        {},
    ),
}
"""The providers that count, and what they ask for (NUM-3, NUM-4, NUM-6)."""


async def watch(process: Process, workspace_id: UUID, lookups: Lookups) -> None:
    """Notes new bulk senders of a workspace and tells its administrators what is asked of them."""
    now = process.clock.now()
    since = reputation.quarter_of(now - timedelta(hours=WINDOW_H))
    async with process.pool.acquire() as connection:
        counted = await reputation.tallies(connection, workspace_id, since)
        candidates = worth_asking(counted)
        if not candidates:
            return
        known = {(each.domain, each.provider) for each in await reputation.bulk_senders(connection, workspace_id)}
    organizations = {name: await dmarc.organizational_domain(name, lookups) or name for name in sorted(candidates)}
    for (domain, provider), mails in over(counted, organizations, known).items():
        async with transaction(process.pool) as connection:
            if await reputation.note_bulk_sender(connection, workspace_id, BulkSender(domain, provider, mails, now)):
                values: dict[str, Value] = {"domain": domain, "n": mails, "provider": NAMES[provider]}
                sent = Sentence("{domain} has sent {n} mails to {provider} within 24 hours.", values)
                about = f"{domain} at {NAMES[provider]}"
                trouble = Trouble.of(ALERT, about, Level.WARNING, (sent, _ASK[provider]), PATH)
                await alerts.report(connection, workspace_id, trouble, process.ids, _ACTOR, now)


def worth_asking(counted: Sequence[Counted]) -> set[str]:
    """The From domains that may be part of a bulk sender: those of a workspace that sends a provider so much in all. Pure."""
    totals: Counter[Provider] = Counter()
    for each in counted:
        totals[each.provider] += each.tally.sent
    large = {provider for provider in _ASK if totals[provider] >= BULK_MAILS}
    return {each.sender_domain for each in counted if each.provider in large}


def over(
    counted: Iterable[Counted], organizations: Mapping[str, str], known: Collection[tuple[str, Provider]]
) -> dict[tuple[str, Provider], int]:
    """Organizational domains that are over the line at a provider and not known to be, with their mails. Pure."""
    sums: Counter[tuple[str, Provider]] = Counter()
    for each in counted:
        if each.provider in _ASK and each.sender_domain in organizations:
            sums[organizations[each.sender_domain], each.provider] += each.tally.sent
    return {who: mails for who, mails in sums.items() if mails >= BULK_MAILS and who not in known}
