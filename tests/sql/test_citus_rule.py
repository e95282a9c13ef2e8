"""The rule that lets the same schema run on a cluster distributed by `workspace_id`: one statement, one workspace; no constraint across.

It guards what a single server would never notice. A statement may break it only under its name and a reason below.
"""

import importlib
import re
from pathlib import Path
from typing import Final

import pytest
from tests.sql.one_workspace import KEY, Finding, examine

import posthouse
from posthouse.runtime import queries
from posthouse.runtime.postgres import Pool, Record

PEOPLE: Final = {
    "users": "a person may belong to many workspaces",
    "sign_in_links": "a person's, whatever the workspace",
    "sessions": "a person's; the workspace in it is only the one she looks at",
}
INSTALLATION: Final = {
    "schema_migrations": "of the database itself",
    "workers": "processes and their leases; they serve every workspace",
    "sites": "what the owner of a site knows of it; one receiver takes every workspace's mail",
    "receiver_words": "what a receiver told an address of ours, whoever's mail it was",
    "site_domains": "which site a domain's mail goes to, the same for all",
    "sts_policies": "what receiving domains ask for, the same for all",
    "tls_results": "how sessions with receivers fared, whoever's mail they carried",
    "site_owners": "which process sends to a group of sites",
    "ip_listings": "what block lists say of an address of ours, whoever's mail leaves from it",
    "warmup_grants": "how much an address of ours may send, whoever's mail it is",
}
"""Tables without tenant data: copied whole to every node of a cluster (reference tables)."""

ACROSS: Final = {
    "outbox.workspaces_with_mail": "finds where there is mail; what is then claimed names its workspace",
    "outbox.shares": "how workspaces share what several want",
    "outbox.claimed_in_my_name": "what one worker holds, over all workspaces",
    "outbox.workspaces": "the housekeeper's list of rounds",
    "outbox.active_suspensions": "what people have stopped, for dispatchers that serve every workspace",
    "outbox.suspensions_to_release": "the housekeeper's list; letting mail go names the workspace",
    "outbox.orphans": "finds whose worker is dead; giving back names the workspace",
    "exports.exports_to_do": "finds what is to be made; claiming names its workspace",
    "exports.uploads_due": "finds what is to be posted; claiming names its workspace",
    "exports.schedules_due": "finds whose time has come; starting names its workspace",
    "webhooks.in_service": "who is told of events, in every workspace; telling them names it",
    "webhooks.due": "finds where there is something to send; what is then claimed names its workspace",
    "webhooks.out_of_service": "the housekeeper's list",
    "accounts.workspace_by_number": "the short number in keys and return paths is what a stranger shows",
    "accounts.workspaces": "the operator's list",
    "accounts.workspaces_of_user": "a person's list",
    "accounts.belongs_elsewhere": "whether a person is anybody else's member too",
    "accounts.session": "a cookie names no workspace",
    "accounts.grant_by_secret": "a key names its workspace by its short number",
    "accounts.grants_by_network": "a client's network names no workspace",
    "accounts.network_taken": "asks about the others",
    "accounts.people_turned_away": "an address typed at sign-in names no workspace; what is kept then names it",
    "accounts.links_turned_away": "neither does a link",
    "accounts.credentials_turned_away": "a key names its workspace by its short number; what is kept then names it",
    "accounts.link_host_taken": "asks about the others",
    "accounts.link_host_in_use": "a proxy and a reader's browser name a host and no workspace",
    "accounts.any_domain_credentials": "what the lab left behind, anywhere",
    "accounts.lab_keys": "the lab answers for every domain",
}
"""Statements that read across workspaces, each with its reason. None of them may change a tenant table, and none is on the way of a mail."""

SOURCES: Final = Path(posthouse.__file__).parent
ROOMS: Final = sorted(path.parent.name for path in SOURCES.rglob("queries.sql"))
STATEMENTS: Final = {
    f"{room}.{query.name}": query
    for room in ROOMS
    for query in queries.load(importlib.import_module(f"posthouse.{room}").__name__)
}

_STATEMENT: Final = re.compile(r"^\s*((?:INSERT|UPDATE|DELETE|WITH|SELECT)\b[^;]*);", re.MULTILINE)
_FUNCTIONS = """
    SELECT p.proname AS name, p.prosrc AS body FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace = 'public'::regnamespace AND l.lanname = 'plpgsql'"""
_TABLES = """
    SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"""
_UNIQUE = """
    SELECT t.relname AS table_name, i.relname AS name, x.indisprimary AS is_primary,
           array_agg(a.attname ORDER BY k.place) AS columns
    FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid,
         unnest(x.indkey) WITH ORDINALITY AS k (number, place) JOIN pg_attribute a ON a.attnum = k.number
    WHERE x.indisunique AND a.attrelid = x.indrelid AND NOT t.relispartition AND t.relnamespace = 'public'::regnamespace
    GROUP BY 1, 2, 3"""
_FOREIGN = """
    SELECT c.conname AS name, t.relname AS table_name, r.relname AS target,
           array(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY k (number, place)
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place) AS columns,
           array(SELECT a.attname FROM unnest(c.confkey) WITH ORDINALITY k (number, place)
                 JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number ORDER BY k.place) AS target_columns
    FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
    WHERE c.contype = 'f' AND NOT t.relispartition"""


@pytest.fixture
async def tenant(owner: Pool) -> set[str]:
    """The tables that hold tenant data: all but those named above."""
    return {row["name"] for row in await owner.fetch(_TABLES)} - PEOPLE.keys() - INSTALLATION.keys()


async def test_every_statement_on_tenant_tables_names_exactly_one_workspace(tenant: set[str]) -> None:
    found = {name: examine(query.sql, tenant) for name, query in STATEMENTS.items()}
    broken = {name: one for name, one in found.items() if not one.keeps_to_one and name not in ACROSS}
    assert not broken


async def test_so_does_every_statement_inside_a_function(owner: Pool, tenant: set[str]) -> None:
    bodies = {row["name"]: row["body"] for row in await owner.fetch(_FUNCTIONS)}
    found = [(name, examine(sql, tenant)) for name, body in bodies.items() for sql in _STATEMENT.findall(body)]
    assert any(one.writes for _, one in found), "the statements of functions are not found any more"
    assert not [name for name, one in found if not one.keeps_to_one]


async def test_every_exception_is_one_and_only_reads(tenant: set[str]) -> None:
    assert not ACROSS.keys() - STATEMENTS.keys(), "there is no such statement any more"
    found = {name: examine(STATEMENTS[name].sql, tenant) for name in ACROSS}
    assert not [name for name, one in found.items() if one.keeps_to_one], "keeps the rule and needs no exception"
    assert not [name for name, one in found.items() if one.writes], "changes rows of more than one workspace"


async def test_exceptions_on_the_way_of_a_mail_say_so_where_they_stand() -> None:
    silent = [name for name in ACROSS if name.startswith(("outbox.", "ledger.", "webhooks.")) and not _says_so(name)]
    assert not silent


def _says_so(name: str) -> bool:
    return STATEMENTS[name].intent.startswith("Cross-workspace read")


async def test_every_tenant_table_is_found_by_its_workspace(owner: Pool, tenant: set[str]) -> None:
    unique = await owner.fetch(_UNIQUE)
    led = {row["table_name"] for row in unique if row["is_primary"] and row["columns"][0] == KEY}
    assert tenant - led == set(), (
        "no primary key that begins with workspace_id: a tenant table needs one, others a reason above"
    )
    loose = [row["name"] for row in unique if row["table_name"] in tenant and KEY not in row["columns"]]
    assert not loose, "unique over all workspaces"


async def test_no_foreign_key_leads_from_one_workspace_into_another(owner: Pool, tenant: set[str]) -> None:
    keys = await owner.fetch(_FOREIGN)
    across = [row["name"] for row in keys if {row["table_name"], row["target"]} <= tenant and not _stays_inside(row)]
    assert not across
    outward = {row["name"] for row in keys if row["table_name"] not in tenant and row["target"] in tenant}
    assert outward == {"sessions_workspace_id_fkey"}, "docs/scaling.md drops it before tables are distributed"


def _stays_inside(row: Record) -> bool:
    return (KEY, KEY) in zip(row["columns"], row["target_columns"], strict=True)


async def test_named_tables_exist(owner: Pool) -> None:
    existing = {row["name"] for row in await owner.fetch(_TABLES)}
    assert not (PEOPLE.keys() | INSTALLATION.keys()) - existing


TENANT: Final = {"outbox", "messages"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM outbox WHERE workspace_id = $1",
        "SELECT 1 FROM outbox o JOIN messages m USING (workspace_id, message_id) WHERE o.workspace_id = $1",
        "SELECT 1 FROM outbox o, messages m WHERE m.workspace_id = o.workspace_id AND o.workspace_id = $2",
        "SELECT 1 FROM messages m WHERE workspace_id = $1 AND EXISTS (SELECT FROM outbox o WHERE o.workspace_id = m.workspace_id)",
        "WITH due AS (SELECT 1 FROM outbox WHERE workspace_id = $1) UPDATE outbox o SET state = 'x' FROM due WHERE o.workspace_id = $1",
        "DELETE FROM outbox WHERE workspace_id = $1",
        "INSERT INTO outbox (workspace_id, a) VALUES ($1, $2) ON CONFLICT (workspace_id, a) DO NOTHING",
        "INSERT INTO outbox (workspace_id, a) SELECT * FROM unnest($1::uuid[], $2::text[])",
        "SELECT 1 FROM workers WHERE worker_id = $1",
    ],
)
def test_a_statement_that_keeps_to_one_workspace_passes(sql: str) -> None:
    assert examine(sql, TENANT).keeps_to_one


@pytest.mark.parametrize(
    ("sql", "loose"),
    [
        ("SELECT 1 FROM outbox", {"outbox"}),
        ("SELECT 1 FROM outbox WHERE workspace_id = $1 OR true", {"outbox"}),
        ("SELECT 1 FROM outbox WHERE workspace_id <> $1", {"outbox"}),
        ("SELECT 1 FROM outbox WHERE workspace_id = ANY($1)", {"outbox"}),
        ("SELECT 1 FROM outbox o JOIN messages m USING (message_id) WHERE o.workspace_id = $1", {"messages"}),
        ("SELECT 1 FROM messages WHERE workspace_id = $1 AND EXISTS (SELECT FROM outbox WHERE claimed_by = $2)", {"outbox"}),
        ("WITH due AS (SELECT 1 FROM outbox) UPDATE messages SET a = 1 FROM due WHERE workspace_id = $1", {"outbox"}),
        ("UPDATE outbox SET state = 'x' WHERE recipient_id = $1", {"outbox"}),
        ("DELETE FROM workers w WHERE NOT EXISTS (SELECT FROM outbox WHERE claimed_by = w.worker_id)", {"outbox"}),
        ("INSERT INTO outbox (recipient_id) VALUES ($1)", {"outbox"}),
        ("INSERT INTO outbox (workspace_id, a) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING", {"outbox"}),
        ("INSERT INTO outbox (workspace_id, a) SELECT workspace_id, a FROM messages", {"messages"}),
    ],
)  # fmt: skip
def test_a_statement_that_does_not_is_found(sql: str, loose: set[str]) -> None:
    found: Finding = examine(sql, TENANT)
    assert found.loose == loose


def test_two_workspaces_in_one_statement_are_found() -> None:
    sql = "SELECT 1 FROM outbox o, messages m WHERE o.workspace_id = $1 AND m.workspace_id = $2"
    assert not examine(sql, TENANT).keeps_to_one
