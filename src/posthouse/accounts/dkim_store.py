"""DKIM keys of domains: made and sealed, found and loaded."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

import msgspec

from posthouse.accounts import data_keys
from posthouse.accounts.changes import Change
from posthouse.accounts.dns_records import Check, seen_selectors
from posthouse.model import limits
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, Record
from posthouse.runtime.vault import Place, Vault, WrappedKey, key_id_of
from posthouse.wire import dkim_keys
from posthouse.wire.dkim_keys import Algorithm, SigningKey

SQL = queries.load(__package__)

LAB_DOMAIN: Final = "lab.test"  # RFC 6761 6.2: nobody's, so its keys can stand in for everybody's
LAB_SELECTORS: Final = {"lab": Algorithm.RSA, "labed": Algorithm.ED25519}

FindKey = Callable[[UUID, UUID], Awaitable[WrappedKey | None]]


async def add(
    change: Change, domain_id: UUID, domain: str, selectors: Mapping[str, Algorithm], *, replacing: bool = False
) -> None:
    """Make a key pair for each of these selectors of a domain and keep it sealed. `replacing`: it signs in another's place, later."""
    data_key = await data_keys.current(change.connection, change.workspace_id)
    assert data_key is not None, "a workspace has a data key from the beginning"
    for selector, algorithm in selectors.items():
        key = await asyncio.to_thread(dkim_keys.generate, algorithm, domain, selector)
        place = _place(change.workspace_id, domain_id, selector)
        sealed = change.vault.seal(data_key, dkim_keys.dump(key), place)
        await change.connection.execute(
            SQL.insert_dkim_key,
            *(change.workspace_id, domain_id, selector, algorithm, sealed, dkim_keys.dns_value(key)),
            *(change.now, replacing),
        )


class KeyStore:
    """Private keys ready to sign: unsealed and parsed once, as that takes longer than signing."""

    def __init__(self, pool: Executor, vault: Vault, find_data_key: FindKey) -> None:
        self._pool = pool
        self._vault = vault
        self._find_data_key = find_data_key
        self._loaded: OrderedDict[tuple[UUID, str, bytes], SigningKey] = OrderedDict()

    async def of_domain(self, workspace_id: UUID, domain: str) -> tuple[SigningKey, ...] | None:
        """The keys of a verified domain that its DNS was seen to publish; None when the domain is not verified."""
        rows = await self._pool.fetch(SQL.signing_keys, workspace_id, domain)
        if not rows:
            return None
        seen = seen_selectors(msgspec.convert(rows[0]["checks"], tuple[Check, ...]))
        return tuple([await self._key(workspace_id, row) for row in rows if row["selector"] in seen])

    async def of_lab(self, workspace_id: UUID, domain: str) -> tuple[SigningKey, ...] | None:
        """The lab's keys in the name of any domain."""
        keys = await self.of_domain(workspace_id, LAB_DOMAIN)
        return tuple(replace(key, domain=domain) for key in keys or ()) or None

    async def _key(self, workspace_id: UUID, row: Record) -> SigningKey:
        sealed, place = row["sealed_private_key"], _place(workspace_id, row["domain_id"], row["selector"])
        if (found := self._loaded.get((row["domain_id"], row["selector"], sealed))) is None:
            data_key = await self._find_data_key(workspace_id, key_id_of(sealed))
            assert data_key is not None, f"the data key of a DKIM key is gone: {key_id_of(sealed)}"
            opened = self._vault.open(data_key, sealed, place)
            found = await asyncio.to_thread(dkim_keys.load, opened, row["name"], row["selector"])
            self._keep((row["domain_id"], row["selector"], sealed), found)
        return found

    def _keep(self, place: tuple[UUID, str, bytes], key: SigningKey) -> None:
        self._loaded[place] = key
        if len(self._loaded) > limits.LOADED_KEYS:
            self._loaded.popitem(last=False)


def _place(workspace_id: UUID, domain_id: UUID, selector: str) -> Place:
    return Place("dkim_keys", "sealed_private_key", workspace_id, f"{domain_id} {selector}")
