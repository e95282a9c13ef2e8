"""A first start: the first workspace, its admin, and in the lab credentials that let one try everything at once.

The lab's secrets are derived from the key-encryption key, so a second start prints the same ones and none of them is stored.
"""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from posthouse.accounts import changes, credentials, data_keys, dkim_store, domains, sign_in, tokens, users, workspaces
from posthouse.accounts.changes import Change
from posthouse.accounts.credentials import Credential, Secret
from posthouse.accounts.dns_records import Check, PublishedKey, Purpose
from posthouse.accounts.networks import network_of
from posthouse.accounts.terms import CredentialKind, Granted
from posthouse.accounts.users import Member
from posthouse.accounts.workspaces import Preferences, Workspace
from posthouse.model.words import Role, Scope
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, transaction
from posthouse.runtime.process import Process
from posthouse.runtime.vault import Vault

SQL = queries.load(__package__)

ACTOR: Final = "posthouse"
LAB_ADDRESS: Final = "Posthouse Lab, 1 Example Street, Exampletown"
"""What marketing of the lab says of where its sender is reached by post; nobody is there."""
_ALL_SCOPES: Final = frozenset(Scope)
_SEND: Final = frozenset({Scope.SEND})
_LOOPBACK: Final = tuple(block for block in map(network_of, ("127.0.0.1/32", "::1/128")) if block)


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What the one who started it needs to know; texts are empty where there is nothing.

    Without the lab there are no credentials, and a sign-in link only as long as the admin has no password.
    """

    workspace_id: UUID
    user_email: str
    api_key: str
    smtp_user: str
    smtp_password: str
    sign_in_token: str


async def ensure(process: Process) -> Bootstrap:
    """Make what is missing; whoever starts a second time finds everything as it was, with a new sign-in link."""
    lab = process.settings.lab.enabled
    workspace = await _first_workspace(process, "Lab" if lab else "Main")
    if not lab:
        await _close_lab(process)
    async with changes.making(process, workspace.workspace_id, ACTOR, operator=True) as change:
        await change.connection.execute(SQL.lock_bootstrap)
        await data_keys.rewrap(change.connection, workspace.workspace_id, change.vault)
        admin = await _admin(change, process.settings.server.hostname)
        keys = await _open_lab(change, workspace) if lab else _Secrets("", "", "")
        token = await sign_in.new_link(change, admin.user.user_id) if lab or not admin.user.has_password else ""
    assert isinstance(token, str)
    return Bootstrap(workspace.workspace_id, admin.user.email, keys.api_key, keys.smtp_user, keys.smtp_password, token)


async def lab_keys(connection: Executor) -> dict[str, str]:
    """The DKIM TXT value by selector that every domain of the lab publishes; empty without a lab."""
    rows = await connection.fetch(SQL.lab_keys, dkim_store.LAB_DOMAIN)
    return {row["selector"]: row["public_key"] for row in rows}


@dataclass(frozen=True, slots=True)
class _Secrets:
    api_key: str
    smtp_user: str
    smtp_password: str

    @classmethod
    def derive(cls, vault: Vault, workspace: Workspace) -> "_Secrets":
        def octets(purpose: str, count: int) -> bytes:
            return vault.derive(f"lab {purpose} {workspace.workspace_id}")[:count]

        return cls(
            tokens.api_key(workspace.number, octets("api key", tokens.SECRET_OCTETS)),
            tokens.smtp_user(workspace.number, octets("smtp user", tokens.NAME_OCTETS)),
            tokens.smtp_password(octets("smtp password", tokens.SECRET_OCTETS)),
        )


async def _first_workspace(process: Process, name: str) -> Workspace:
    async with transaction(process.pool) as connection:
        await connection.execute(SQL.lock_bootstrap)
        if existing := await workspaces.listing(connection):
            return existing[0]
        new_id = process.ids.new()
        change = Change(connection, new_id, ACTOR, process.clock.now(), process.ids, process.vault)
        return await workspaces.create(change, name)


async def _admin(change: Change, hostname: str) -> Member:
    everybody = await users.members(change.connection, change.workspace_id)
    admins = [each for each in everybody if each.role is Role.ADMIN and not each.user.disabled_at]
    if admins:
        return min(admins, key=lambda each: each.user.created_at)
    made = await users.create(change, _address_at(hostname), "", Role.ADMIN)
    assert isinstance(made, Member), made
    return made


def _address_at(hostname: str) -> str:
    address = f"admin@{hostname.lower()}"
    return address if not users.problems(address, "") else "admin@localhost"


async def _close_lab(process: Process) -> None:
    """Without the lab nobody sends from any domain, whatever an earlier start with the lab has left behind."""
    for row in await process.pool.fetch(SQL.any_domain_credentials):
        async with changes.making(process, row["workspace_id"], ACTOR, operator=True) as change:
            await credentials.revoke(change, row["credential_id"])
            await _move(change, LAB_ADDRESS, "")


async def _open_lab(change: Change, workspace: Workspace) -> _Secrets:
    wanted = _Secrets.derive(change.vault, workspace)
    await _ensure_lab_key(change)
    await _move(change, "", LAB_ADDRESS)
    known = await credentials.listing(change.connection, change.workspace_id)
    live = [each for each in known if each.any_domain and not each.revoked_at]
    await _ensure(change, live, CredentialKind.API_KEY, Granted("Lab", _ALL_SCOPES), Secret("", wanted.api_key))
    smtp = Secret(wanted.smtp_user, wanted.smtp_password)
    await _ensure(change, live, CredentialKind.SMTP, Granted("Lab", _SEND), smtp)
    loopback = Granted("This machine, without AUTH", _SEND, networks=_LOOPBACK, without_auth=True)
    await _ensure(change, live, CredentialKind.SMTP, loopback, Secret("", ""))
    return wanted


async def _move(change: Change, old: str, new: str) -> None:
    """Replaces the workspace's postal address, where it is still this one."""
    workspace = await workspaces.find(change.connection, change.workspace_id)
    if workspace is not None and workspace.postal_address == old:
        await workspaces.update(change, replace(Preferences.of(workspace), postal_address=new))


async def _ensure(
    change: Change, live: list[Credential], kind: CredentialKind, granted: Granted, secret: Secret
) -> None:
    if not any(each.kind is kind and each.hint == secret.hint for each in live):
        await credentials.issue(change, kind, granted, secret, any_domain=True)


async def _ensure_lab_key(change: Change) -> None:
    if await domains.find(change.connection, change.workspace_id, dkim_store.LAB_DOMAIN):
        return
    domain = await domains.insert(change, dkim_store.LAB_DOMAIN, dkim_store.LAB_SELECTORS)
    assert isinstance(domain, domains.SendingDomain)
    own = Check(
        Purpose.OWNERSHIP, f"_posthouse.{domain.name}", "TXT", domain.ownership_token, (domain.ownership_token,),
        passed=True, answered=True, detail="The lab's own.",
    )  # fmt: skip
    await domains.settle(change, domain, (own, *(_seen(domain.name, key) for key in domain.keys)))


def _seen(domain: str, key: PublishedKey) -> Check:
    name = f"{key.selector}._domainkey.{domain}"
    return Check(
        Purpose.DKIM, name, "TXT", key.value, (key.value,), passed=True, answered=True, detail="The lab's own."
    )
