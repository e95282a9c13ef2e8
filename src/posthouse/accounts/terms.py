"""What a credential may do, and the rules for that. Pure."""

from dataclasses import field
from enum import StrEnum

from posthouse.accounts import names, networks
from posthouse.accounts.networks import Network
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.values import dataclass
from posthouse.model.words import MailClass, Scope
from posthouse.wire.addresses import to_a_label


class CredentialKind(StrEnum):
    """What a credential is shown to."""

    API_KEY = "api_key"
    SMTP = "smtp"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for.

    `domains` limits the sender domains (empty: every verified one of the workspace), `networks` where it may be used from (CIDR
    or address; empty: anywhere). `without_auth` (SMTP only) lets everybody in `networks` submit without a password.
    """

    name: str
    scopes: frozenset[Scope]
    domains: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    without_auth: bool = False
    mail_class: MailClass = MailClass.TRANSACTIONAL


@dataclass(frozen=True, slots=True)
class Granted:
    """The same after the rules: `domains` as lower-case A-labels, `networks` parsed, both without repetition."""

    name: str
    scopes: frozenset[Scope]
    domains: tuple[str, ...] = ()
    networks: tuple[Network, ...] = field(default=())
    without_auth: bool = False
    mail_class: MailClass = MailClass.TRANSACTIONAL


def check(kind: CredentialKind, terms: Terms) -> Granted | tuple[FieldProblem, ...]:
    """The terms as they will be stored, or everything that is wrong with them."""
    domains = [domain_name(text) for text in terms.domains]
    blocks = [networks.network_of(text) for text in terms.networks]
    found = (
        *names.problems("/name", terms.name),
        *_scope_problems(kind, terms.scopes),
        *_domain_problems(domains),
        *_network_problems(terms, blocks),
        *_without_auth_problems(kind, terms),
    )
    if found:
        return found
    return Granted(
        terms.name.strip(),
        terms.scopes,
        tuple(dict.fromkeys(name for name in domains if name)),
        tuple(dict.fromkeys(block for block in blocks if block)),
        terms.without_auth,
        terms.mail_class,
    )


def domain_name(text: str) -> str | None:
    """A sender domain as it is compared, a lower-case A-label; None for what cannot be one (one label, an IP address)."""
    name = to_a_label(text.strip().removesuffix("."))
    if name is None or "." not in name or name.rpartition(".")[2].isdecimal():
        return None
    return name


def _scope_problems(kind: CredentialKind, scopes: frozenset[Scope]) -> tuple[FieldProblem, ...]:
    if not scopes:
        return (FieldProblem("/scopes", "missing", "Name at least one scope: send, read or manage."),)
    if kind is CredentialKind.SMTP and scopes != {Scope.SEND}:
        return (FieldProblem("/scopes", "not_for_smtp", "Over SMTP one can only send."),)
    return ()


def _domain_problems(domains: list[str | None]) -> list[FieldProblem]:
    if len(domains) > limits.DOMAINS_PER_CREDENTIAL:
        return [FieldProblem("/domains", "too_many", f"At most {limits.DOMAINS_PER_CREDENTIAL} domains.")]
    return [
        FieldProblem(f"/domains/{index}", "invalid_domain", "This is not a domain name.")
        for index, name in enumerate(domains)
        if name is None
    ]


def _network_problems(terms: Terms, blocks: list[Network | None]) -> list[FieldProblem]:
    if len(blocks) > limits.NETWORKS_PER_CREDENTIAL:
        return [FieldProblem("/networks", "too_many", f"At most {limits.NETWORKS_PER_CREDENTIAL} networks.")]
    found = []
    for index, block in enumerate(blocks):
        if block is None:
            detail = "This is neither an IP address nor a network such as 192.0.2.0/24."
            found.append(FieldProblem(f"/networks/{index}", "invalid_network", detail))
        elif terms.without_auth and not networks.is_narrow(block):
            found.append(FieldProblem(f"/networks/{index}", "too_wide", _TOO_WIDE))
    return found


def _without_auth_problems(kind: CredentialKind, terms: Terms) -> tuple[FieldProblem, ...]:
    if not terms.without_auth:
        return ()
    if kind is not CredentialKind.SMTP:
        return (FieldProblem("/without_auth", "smtp_only", "Only SMTP submission can do without a secret."),)
    if not terms.networks:
        return (
            FieldProblem("/networks", "missing", "Without a password, name the networks that are trusted instead."),
        )
    return ()


_TOO_WIDE = (
    f"A public network trusted without a password is /{limits.OPEN_NETWORK_PREFIX_V4} (IPv4) or "
    f"/{limits.OPEN_NETWORK_PREFIX_V6} (IPv6) at most: anybody in it can send as you."
)
