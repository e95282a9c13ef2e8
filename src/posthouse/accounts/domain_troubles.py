"""What is said to administrators when a domain that was all right is not any more. Pure."""

from collections.abc import Iterable
from typing import Final

from posthouse.accounts.alerts import Level, Trouble
from posthouse.accounts.dns_records import Check, Need, Purpose, SendingDomain, signing_selectors
from posthouse.model.sentences import Sentence
from posthouse.model.words import DomainPolicy

INCOMPLETE: Final = "domain.incomplete"
SPF_LOST: Final = "return_path.spf"
BOUNCE_BROKEN: Final = "bounce_domain.broken"
LINKS_BROKEN: Final = "link_host.broken"
_NEEDED: Final = {
    DomainPolicy.WARN: frozenset({Purpose.OWNERSHIP}),
    DomainPolicy.REFUSE: frozenset({Purpose.OWNERSHIP}),
    DomainPolicy.STRICT: frozenset({Purpose.OWNERSHIP, Purpose.SPF, Purpose.DMARC}),
}
_TOLD_ALONE: Final = frozenset({Purpose.SPF, Purpose.RETURN_PATH})  # by `of_spf` and `of_bounce_domain`
_EFFECTS: Final = {
    Purpose.OWNERSHIP: Sentence("Nothing shows any more that the domain is yours.", {}),
    Purpose.SPF: Sentence("SPF does not prove where its mail comes from.", {}),
    Purpose.DMARC: Sentence("It has no DMARC policy, and large receivers ask for one.", {}),
}


def of_domain(domain: SendingDomain, policy: DomainPolicy) -> Trouble | None:
    """What a verified domain lacks that it had, or cannot do without; None while it is whole."""
    if domain.verified_at is None:
        return None
    signs = bool(signing_selectors(domain.checks, domain.keys))
    gone = [check for check in domain.checks if _counts(check, policy, signs=signs)]
    if not gone:
        return None
    refused = domain.is_refused(policy)
    names = ", ".join(dict.fromkeys(check.name for check in gone))
    told = [Sentence("{domain} lacks DNS records: {names}.", {"domain": domain.name, "names": names})]
    told += [Sentence("Mail from it is refused until they are back.", {})] if refused else []
    told += _effects(gone, signs=signs)
    level = Level.CRITICAL if refused or not signs else Level.WARNING
    return Trouble.of(INCOMPLETE, domain.name, level, told, f"/domains/{domain.domain_id}")


def of_spf(check: Check, path: str) -> Trouble | None:
    """The SPF record of the installation's return path, which is one for all domains, when it was there and is gone."""
    if check.passed or not check.lost:
        return None
    sentence = Sentence(
        "{name}, where bounces return to, lacks its SPF record: mail of every domain that returns there does not pass SPF.",
        {"name": check.name},
    )
    return Trouble.of(SPF_LOST, check.name, Level.WARNING, (sentence,), path)


def of_bounce_domain(name: str, problem: str, default: str) -> Trouble:
    """A bounce domain whose alias leads elsewhere."""
    follows = Sentence(
        "Bounces of mail that used {name} return to {default} until it is mended, so SPF does not prove your domain.",
        {"name": name, "default": default},
    )
    return Trouble.of(BOUNCE_BROKEN, name, Level.WARNING, (problem, follows), "/settings/bounce-domains")


def of_link_host(name: str, problem: str, path: str) -> Trouble:
    """A link host whose alias leads elsewhere."""
    follows = Sentence(
        "Until it is mended, links in new mail lead to this server's own address; those in mail sent so far may not work.",
        {},
    )
    return Trouble.of(LINKS_BROKEN, name, Level.WARNING, (problem, follows), path)


def _counts(check: Check, policy: DomainPolicy, *, signs: bool) -> bool:
    if check.passed or check.need is Need.OPTIONAL:
        return False
    needed = check.purpose in _NEEDED[policy] or (check.purpose is Purpose.DKIM and not signs)
    return needed or (check.lost and check.purpose not in _TOLD_ALONE)


def _effects(gone: Iterable[Check], *, signs: bool) -> list[Sentence]:
    purposes = dict.fromkeys(check.purpose for check in gone)
    of_keys = (
        Sentence("Mail is signed with the keys that are left.", {})
        if signs
        else Sentence("Mail goes out unsigned, and receivers may refuse it.", {})
    )
    return [of_keys if purpose is Purpose.DKIM else _EFFECTS[purpose] for purpose in purposes]
