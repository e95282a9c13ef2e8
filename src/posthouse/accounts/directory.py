"""Who is this, and as whom may they send: what the doors and the delivery ask, answered from memory nearly always."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self
from uuid import UUID

from posthouse.accounts import bounce_domains, data_keys, link_hosts, return_path, workspaces
from posthouse.accounts.dkim_store import KeyStore
from posthouse.accounts.grants import Claim, Grant, claim_of_key, claim_of_login, grant_of, nearest, proves
from posthouse.accounts.last_use import LastUse
from posthouse.accounts.login_attempts import LoginDoor
from posthouse.accounts.networks import address_of
from posthouse.accounts.recent import Recent
from posthouse.accounts.selectors import Selectors
from posthouse.accounts.sign_in import SignedIn
from posthouse.accounts.turned_away import TurnedAway
from posthouse.accounts.workspaces import Workspace
from posthouse.model.mail import Submitter
from posthouse.model.words import MailClass, Pool, Role, Scope
from posthouse.runtime import queries
from posthouse.runtime.clock import Clock
from posthouse.runtime.postgres import Executor
from posthouse.runtime.process import Process
from posthouse.runtime.vault import Vault, WrappedKey
from posthouse.wire.dkim_keys import SigningKey

SQL = queries.load(__package__)

_SCOPES = {
    Role.READER: frozenset({Scope.READ}),
    Role.SENDER: frozenset({Scope.READ, Scope.SEND}),
    Role.ADMIN: frozenset({Scope.READ, Scope.SEND, Scope.MANAGE}),
}


class Directory:
    """One per process. Answers are at most DIRECTORY_TTL_S old, and of this moment once the NOTIFY of a change arrived.

    Every method may raise DATABASE_GONE when the answer is not in memory.
    """

    def __init__(
        self,
        pool: Executor,
        clock: Clock,
        vault: Vault,
        selectors: Selectors | None = None,
        turned_away: TurnedAway | None = None,
    ) -> None:
        self._pool = pool
        self._turned_away = turned_away
        self._selectors = selectors or Selectors()
        self._uses = LastUse(pool, clock)
        self._store = KeyStore(pool, vault, self.data_key)
        self._grants = Recent(clock, self._load_grant)
        self._open_networks = Recent(clock, self._load_open_networks)
        self._verified = Recent(clock, self._load_verified)
        self._signing = Recent(clock, self._load_signing_keys)
        self._workspaces = Recent(clock, self._load_workspace)
        self._numbers = Recent(clock, self._load_number)
        self._data_keys = Recent(clock, self._load_data_key)
        self._bounce_domains = Recent(clock, self._load_bounce_domains)
        self._link_hosts = Recent(clock, self._load_link_hosts)
        self._link_names = Recent(clock, self._load_link_name)
        self._remembered: tuple[Recent[Any, Any], ...] = (
            *(self._grants, self._open_networks, self._verified, self._signing),
            *(self._workspaces, self._numbers, self._data_keys, self._bounce_domains),
            *(self._link_hosts, self._link_names),
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, process: Process) -> AsyncIterator[Self]:
        """A directory that hears of changes while the block runs: of others' by NOTIFY, of this process's own at once."""
        directory = cls(process.pool, process.clock, process.vault, Selectors.of(process.settings), TurnedAway(process))
        async with process.listener("accounts", lambda _: directory.forget()):
            process.on_change.append(directory.forget)
            try:
                yield directory
            finally:
                process.on_change.remove(directory.forget)
                await directory.close()

    @property
    def turned_away(self) -> TurnedAway | None:
        """Where those are noted who were not let in; the pages' door notes its own there."""
        return self._turned_away

    def forget(self) -> None:
        """Look everything up again; loaded private keys stay, as they are known by their content."""
        for answers in self._remembered:
            answers.forget()

    async def close(self) -> None:
        """Write down the last uses noted so far, and who was turned away."""
        await self._uses.close()
        if self._turned_away is not None:
            await self._turned_away.close()

    async def by_api_key(self, key: str, remote_ip: str) -> Submitter | None:
        """Whose key this is; None when it is unknown, revoked, or used from a network it is not for."""
        return await self._by_claim(LoginDoor.API, claim_of_key(key), key, remote_ip)

    async def by_smtp_login(self, username: str, password: str, remote_ip: str) -> Submitter | None:
        """Whose login this is; None as for keys."""
        return await self._by_claim(LoginDoor.SMTP, claim_of_login(username, password), username, remote_ip)

    async def by_network(self, remote_ip: str) -> Submitter | None:
        """Who submits from this address without AUTH; the most specific network decides."""
        grants = await self._open_networks.get(None)
        address = address_of(remote_ip)
        return self._admitted(nearest(grants, address) if grants and address else None, remote_ip)

    def at_hand(self, username: str | None, password: str, remote_ip: str) -> Submitter | None:
        """What `by_smtp_login`, or without a user name `by_network`, would answer, where that is in memory; None to ask them."""
        if username is None:
            grants, address = self._open_networks.at_hand(None), address_of(remote_ip)
            grant = nearest(grants, address) if grants and address else None
        else:
            claim = claim_of_login(username, password)
            grant = self._grants.at_hand(claim) if claim else None
        return self._admitted(grant, remote_ip)

    async def for_person(self, person: SignedIn) -> Submitter:
        """A person who writes a mail on a page; what they may do follows from their role."""
        workspace = person.workspace
        return Submitter(
            workspace_id=workspace.workspace_id,
            workspace_number=workspace.number,
            credential_id=person.user.user_id,
            credential_kind="user",
            name=person.user.name or person.user.email,
            scopes=_SCOPES[person.role],
            any_domain=workspace.any_domain,
            own_address=person.user.email,
            priority_allowed=workspace.priority_enabled,
            default_priority=workspace.default_priority,
            postal_address=workspace.postal_address,
        )

    async def may_send_as(self, submitter: Submitter, domain: str) -> bool:
        """Whether this domain (lower-case A-label) may stand in From: verified, and not excluded by the credential."""
        if submitter.any_domain:
            return True
        if submitter.domains and domain not in submitter.domains:
            return False
        return await self._verified.get((submitter.workspace_id, domain)) is not None

    async def domain_classes(self, workspace_id: UUID, domain: str) -> frozenset[MailClass]:
        """What a verified domain is for; empty for everything, and for a domain that is not the workspace's."""
        return await self._verified.get((workspace_id, domain)) or frozenset()

    def known_to_send_as(self, submitter: Submitter, domain: str) -> bool:
        """Whether `may_send_as` would say yes from memory; False to ask it."""
        if submitter.any_domain:
            return True
        allowed = not submitter.domains or domain in submitter.domains
        return allowed and self._verified.at_hand((submitter.workspace_id, domain)) is not None

    async def signing_keys(self, workspace_id: UUID, domain: str, pool: Pool | None = None) -> tuple[SigningKey, ...]:
        """The keys to sign this pool's mail from this domain with; in the lab those of the lab for domains that have none; else ()."""
        return await self._signing.get((workspace_id, domain, pool)) or ()

    async def workspace(self, workspace_id: UUID) -> Workspace:
        """The workspace. Raises LookupError when there is none, which is a mistake of ours."""
        if (workspace := await self._workspaces.get(workspace_id)) is None:
            raise LookupError(f"there is no workspace {workspace_id}")
        return workspace

    async def workspace_by_number(self, number: int) -> Workspace | None:
        """The workspace a signed return path names."""
        return await self._numbers.get(number)

    async def bounce_domain(self, workspace_id: UUID, from_domain: str) -> str | None:
        """The workspace's own bounce domain for mail from this domain; None for the installation's."""
        return return_path.choose(await self._bounce_domains.get(workspace_id) or (), from_domain)

    async def link_host(self, workspace_id: UUID, domain: str) -> str | None:
        """The host that links in mail from this sending domain (lower-case A-label) lead to, by https; None for the installation's."""
        return (await self._link_hosts.get(workspace_id) or {}).get(domain)

    async def is_link_host(self, name: str) -> bool:
        """Whether links of anybody lead to this host (lower-case A-label), and it leads here."""
        return await self._link_names.get(name) is not None

    async def data_key(self, workspace_id: UUID, key_id: UUID | None = None) -> WrappedKey:
        """The key `key_id`, to open with; without it the current one, to seal with. Raises LookupError when it is gone."""
        if (key := await self._data_keys.get((workspace_id, key_id))) is None:
            raise LookupError(f"workspace {workspace_id} has no data key {key_id or ''}")
        return key

    async def _by_claim(self, door: LoginDoor, claim: Claim | None, shown: str, remote_ip: str) -> Submitter | None:
        submitter = self._admitted(await self._grants.get(claim) if claim else None, remote_ip)
        if submitter is None and self._turned_away is not None:
            self._turned_away.with_secret(door, claim, shown, remote_ip)
        return submitter

    def _admitted(self, grant: Grant | None, remote_ip: str) -> Submitter | None:
        if grant is None or not grant.admits(remote_ip):
            return None
        self._uses.note(grant.submitter.workspace_id, grant.submitter.credential_id)
        return grant.submitter

    async def _load_grant(self, claim: Claim) -> Grant | None:
        row = await self._pool.fetchrow(SQL.grant_by_secret, claim.workspace_number, claim.kind, claim.secret_hash)
        return grant_of(row) if row and proves(claim, row) else None

    async def _load_open_networks(self, _: None) -> tuple[Grant, ...]:
        return tuple(grant_of(row) for row in await self._pool.fetch(SQL.grants_by_network))

    async def _load_verified(self, place: tuple[UUID, str]) -> frozenset[MailClass] | None:
        classes = await self._pool.fetchval(SQL.classes_of_verified, *place)
        return None if classes is None else frozenset(map(MailClass, classes))

    async def _load_signing_keys(self, place: tuple[UUID, str, Pool | None]) -> tuple[SigningKey, ...] | None:
        workspace_id, domain, pool = place
        if (keys := await self._store.of_domain(workspace_id, domain)) is not None:
            return self._selectors.choose(keys, pool)
        workspace = await self.workspace(workspace_id)
        return await self._store.of_lab(workspace_id, domain) if workspace.any_domain else None

    async def _load_workspace(self, workspace_id: UUID) -> Workspace | None:
        return await workspaces.find(self._pool, workspace_id)

    async def _load_number(self, number: int) -> Workspace | None:
        return await workspaces.by_number(self._pool, number)

    async def _load_bounce_domains(self, workspace_id: UUID) -> tuple[str, ...] | None:
        return bounce_domains.usable(await bounce_domains.listing(self._pool, workspace_id))

    async def _load_link_hosts(self, workspace_id: UUID) -> dict[str, str] | None:
        hosts = await link_hosts.listing(self._pool, workspace_id)
        return {each.domain: each.name for each in hosts if each.broken_at is None}

    async def _load_link_name(self, name: str) -> bool | None:
        return await link_hosts.in_use(self._pool, name) or None

    async def _load_data_key(self, place: tuple[UUID, UUID | None]) -> WrappedKey | None:
        workspace_id, key_id = place
        if key_id is None:
            return await data_keys.current(self._pool, workspace_id)
        return await data_keys.find(self._pool, workspace_id, key_id)
