"""What a credential that was shown lets its bearer do. Pure."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from posthouse.accounts import tokens
from posthouse.accounts.networks import Address, Network, address_of, longest_prefix
from posthouse.accounts.terms import CredentialKind
from posthouse.model.mail import Submitter
from posthouse.model.words import MailClass, Scope
from posthouse.runtime.postgres import Record


class Claim(NamedTuple):
    """What a client says it is, its secret already hashed. `username` is empty for an API key."""

    kind: CredentialKind
    workspace_number: int
    username: str
    secret_hash: bytes


@dataclass(frozen=True, slots=True)
class Grant:
    """A live credential as the doors see it."""

    submitter: Submitter
    networks: tuple[Network, ...]

    def admits(self, remote_ip: str) -> bool:
        """Whether it may be used from there; an address that cannot be read only passes where there is no restriction."""
        if not self.networks:
            return True
        address = address_of(remote_ip)
        return address is not None and longest_prefix(self.networks, address) is not None


def claim_of_key(key: str) -> Claim | None:
    """The claim an API key makes; None when it cannot be one."""
    number = tokens.workspace_of_key(key)
    return None if number is None else Claim(CredentialKind.API_KEY, number, "", tokens.digest(key))


def claim_of_login(username: str, password: str) -> Claim | None:
    """The claim an SMTP login makes; None when there can be no such user."""
    number = tokens.workspace_of_user(username)
    return None if number is None else Claim(CredentialKind.SMTP, number, username, tokens.digest(password))


def proves(claim: Claim, row: Record) -> bool:
    """Whether the claim fits the credential found; takes equally long for every wrong secret of the same length."""
    same_secret = hmac.compare_digest(claim.secret_hash, row["secret_hash"])
    same_name = not claim.username or hmac.compare_digest(claim.username, row["hint"])
    return same_secret and same_name


def grant_of(row: Record) -> Grant:
    """What a row of the credential says."""
    kind = CredentialKind(row["kind"])
    return Grant(
        Submitter(
            workspace_id=row["workspace_id"],
            workspace_number=row["number"],
            credential_id=row["credential_id"],
            credential_kind="api_key" if kind is CredentialKind.API_KEY else "smtp_credential",
            name=row["name"],
            scopes=frozenset(map(Scope, row["scopes"])),
            domains=frozenset(row["domains"]),
            networks=tuple(row["networks"]),
            any_domain=row["any_domain"],
            default_class=MailClass(row["mail_class"]),
            priority_allowed=row["priority_enabled"],
            default_priority=row["default_priority"],
            postal_address=row["postal_address"],
        ),
        tuple(row["networks"]),
    )


def nearest(grants: Iterable[Grant], address: Address) -> Grant | None:
    """The grant with the most specific network around an address; of equals the first."""
    reached = ((longest_prefix(grant.networks, address), grant) for grant in grants)
    return max(((prefix, grant) for prefix, grant in reached if prefix is not None), key=_prefix, default=(0, None))[1]


def _prefix(reached: tuple[int, Grant | None]) -> int:
    return reached[0]
