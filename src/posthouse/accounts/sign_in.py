"""Signing in to the pages: by password or one-time link, kept by a cookie, limited in attempts."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from math import ceil
from typing import Final
from uuid import UUID

from posthouse.accounts import changes, passwords, tokens, users, workspaces
from posthouse.accounts.attempts import AttemptLimiter, source_of
from posthouse.accounts.changes import Change
from posthouse.accounts.turned_away import TurnedAway
from posthouse.accounts.users import Member, User
from posthouse.accounts.workspaces import Workspace
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.words import Role
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor
from posthouse.runtime.process import Process

SQL = queries.load(__package__)

_LIFETIME: Final = timedelta(seconds=limits.SESSION_LIFETIME_S)
_NOTED: Final = timedelta(seconds=limits.SESSION_NOTED_S)
_LINK_LIFETIME: Final = timedelta(seconds=limits.SIGN_IN_LINK_LIFETIME_S)
_RANKS: Final = (Role.READER, Role.SENDER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person at work in a workspace."""

    user: User
    workspace: Workspace
    role: Role
    session_hash: bytes
    expires_at: datetime

    @property
    def actor(self) -> str:
        """As the audit log calls them."""
        return f"user:{self.user.email}"

    def may(self, role: Role) -> bool:
        """Whether they have this role or one that includes it."""
        return _RANKS.index(self.role) >= _RANKS.index(role)


@dataclass(frozen=True, slots=True)
class Cookie:
    """What the browser is to keep (HttpOnly, SameSite=Lax, Secure over TLS), and who signed in."""

    value: str
    user: User
    workspace_id: UUID
    max_age_s: int = limits.SESSION_LIFETIME_S


class Wrong(Enum):
    """Address, password or link is not right; which of them is not told."""

    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class TooMany:
    """Too many attempts at this account or from this place."""

    retry_after_s: int


class Gate:
    """Lets people in; one per process, as it remembers the attempts."""

    def __init__(self, process: Process, turned_away: TurnedAway | None = None) -> None:
        self._process = process
        self._turned_away = turned_away
        self._accounts = AttemptLimiter(limits.SIGN_IN_BURST, limits.SIGN_IN_INTERVAL_S)
        self._sources = AttemptLimiter(limits.SIGN_IN_SOURCE_BURST, limits.SIGN_IN_SOURCE_INTERVAL_S)

    async def by_password(self, email: str, password: str, remote_ip: str) -> Cookie | Wrong | TooMany:
        """Let somebody in who knows address and password."""
        address, source = users.normal(email), source_of(remote_ip)
        account = f"{tokens.digest(address).hex()} {source}"
        if (wait_s := self._spend(account, source)) > 0:
            return TooMany(ceil(wait_s))
        row = await self._process.pool.fetchrow(SQL.password_of, address) if address.isprintable() else None
        right = await passwords.matches(
            password[: limits.PASSWORD_CHARS_MOST + 1], row["password_hash"] if row else None
        )
        cookie = await self._open(row["user_id"], "password") if row and right else Wrong.WRONG
        if isinstance(cookie, Cookie):
            self._accounts.refund(account)
            self._sources.refund(source)
        elif self._turned_away is not None:
            self._turned_away.from_pages(address, remote_ip)
        return cookie

    async def by_link(self, token: str, remote_ip: str) -> Cookie | Wrong | TooMany:
        """Let somebody in who has an unused link. Call it for a POST: scanners of mail follow links with GET."""
        source = source_of(remote_ip)
        if (wait_s := self._sources.spend(source, self._process.clock.monotonic())) > 0:
            return TooMany(ceil(wait_s))
        now, token_hash = self._process.clock.now(), tokens.digest(token)
        user_id = await self._process.pool.fetchval(SQL.use_link, token_hash, now)
        if user_id is None:
            if self._turned_away is not None:
                self._turned_away.with_link(token_hash, remote_ip)
            return Wrong.WRONG
        self._sources.refund(source)
        return await self._open(user_id, "link")

    async def change_password(
        self, person: SignedIn, old: str, new: str, remote_ip: str
    ) -> tuple[FieldProblem, ...] | TooMany:
        """Let a person change the password; the old one is not asked for when there is none. () when done."""
        account = f"{tokens.digest(person.user.email).hex()} {source_of(remote_ip)}"
        if (wait_s := self._accounts.spend(account, self._process.clock.monotonic())) > 0:
            return TooMany(ceil(wait_s))
        row = await self._process.pool.fetchrow(SQL.password_of, person.user.email)
        stored = row["password_hash"] if row else None
        if stored and not await passwords.matches(old[: limits.PASSWORD_CHARS_MOST + 1], stored):
            return (FieldProblem("/old_password", "wrong", "This is not the present password."),)
        self._accounts.refund(account)
        async with changes.making(self._process, person.workspace.workspace_id, person.actor) as change:
            return await users.replace_password(change, person.user, new, person.session_hash)

    def _spend(self, account: str, source: str) -> float:
        at = self._process.clock.monotonic()
        return self._sources.spend(source, at) or self._accounts.spend(account, at)

    async def _open(self, user_id: UUID, how: str) -> Cookie | Wrong:
        homes = await workspaces.of_user(self._process.pool, user_id)
        if not homes:
            return Wrong.WRONG
        async with changes.making(self._process, homes[0][0].workspace_id, "posthouse") as change:
            member = await users.find(change.connection, change.workspace_id, user_id)
            if member is None or member.user.disabled_at:
                return Wrong.WRONG
            return await _new_session(change, member, how)


async def _new_session(change: Change, member: Member, how: str) -> Cookie:
    user, connection = member.user, change.connection
    value = tokens.web_token(secrets.token_bytes(tokens.TOKEN_OCTETS))
    await connection.execute(SQL.forget_sessions, user.user_id, change.now)
    await connection.execute(
        SQL.insert_session, tokens.digest(value), user.user_id, change.workspace_id, change.now, change.now + _LIFETIME
    )
    await change.record("user.sign_in", user.email, by=how)
    return Cookie(value, user, change.workspace_id)


async def person(connection: Executor, cookie: str, now: datetime) -> SignedIn | None:
    """Who this cookie signs in. Visits move the end of the session, written at most every SESSION_NOTED_S."""
    row = await connection.fetchrow(SQL.session, tokens.digest(cookie), now)
    if row is None or (workspace := await workspaces.find(connection, row["workspace_id"])) is None:
        return None
    expires_at = row["expires_at"]
    if now - row["seen_at"] >= _NOTED:
        expires_at = now + _LIFETIME
        await connection.execute(SQL.slide_session, row["session_hash"], now, expires_at)
    return SignedIn(users.user_of(row), workspace, Role(row["role"]), row["session_hash"], expires_at)


async def sign_out(connection: Executor, cookie: str) -> None:
    """End the session of a cookie, at once and for every tab."""
    await connection.execute(SQL.end_session, tokens.digest(cookie))


async def switch(connection: Executor, cookie: str, workspace_id: UUID, now: datetime) -> bool:
    """Go on in another workspace; False when the person is no member there."""
    return await connection.fetchval(SQL.switch_session, tokens.digest(cookie), workspace_id, now) is not None


async def new_link(change: Change, user_id: UUID) -> str | tuple[FieldProblem, ...]:
    """A token that signs this person in once, within 24 hours. It is not stored; show it now."""
    member = await users.changeable(change, user_id)
    if not isinstance(member, Member):
        return member
    if member.user.disabled_at:
        return (FieldProblem("/user", "disabled", f"{member.user.email} is disabled."),)
    token = tokens.web_token(secrets.token_bytes(tokens.TOKEN_OCTETS))
    await change.connection.execute(SQL.forget_links, user_id, change.now)
    await change.connection.execute(
        SQL.insert_link, tokens.digest(token), user_id, change.now, change.now + _LINK_LIFETIME
    )
    await change.record("user.sign_in_link", member.user.email)
    return token
