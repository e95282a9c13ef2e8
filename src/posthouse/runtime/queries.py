"""SQL as a language: the named statements of a room.

A room keeps its statements in `queries.sql` beside its modules:

    -- name: claim
    -- ready -> claimed. The next mails of one site, best priority first.
    SELECT ...

and takes them with `SQL = queries.load(__package__)`; each is then an attribute holding the text of one statement. At boot
`prepare_all` has the live server parse and plan every one of them, so a misspelt column never reaches the first mail.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Final

from posthouse.runtime.postgres import Connection, PostgresError

_NAME: Final = re.compile(r"^-- name:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]*")


class QueryError(Exception):
    """A statement that cannot be used; the text names the room and the query."""


@dataclass(frozen=True, slots=True)
class Query:
    """One statement and the comment that states its intent."""

    name: str
    intent: str
    sql: str


class Queries:
    """The statements of one room by name: `SQL.claim` is the text of the statement called claim."""

    def __init__(self, package: str, queries: Iterable[Query]) -> None:
        self._package = package
        self._queries = {query.name: query for query in queries}

    def __getattr__(self, name: str) -> str:
        if name.startswith("_") or name not in self._queries:
            raise AttributeError(f"{self._package} has no query {name!r}")
        return self._queries[name].sql

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())


_loaded: Final[dict[str, Queries]] = {}


def load(package: str) -> Queries:
    """The statements in `queries.sql` of an installed package. Raises QueryError."""
    if package not in _loaded:
        text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
        _loaded[package] = Queries(package, parse(text, package))
    return _loaded[package]


def parse(text: str, source: str) -> list[Query]:
    """Every statement of a file in order. Raises QueryError for a bad or repeated name, and for none or several statements."""
    head, *pieces = _NAME.split(text)
    if any(line and not line.startswith("--") for line in head.splitlines()):
        raise QueryError(f"{source}: there is SQL before the first name")
    found: dict[str, Query] = {}
    for name, body in zip(pieces[::2], pieces[1::2], strict=True):
        if not _IDENTIFIER.fullmatch(name) or name in found:
            raise QueryError(f"{source}: {name!r} is not a name, or is there twice")
        found[name] = _query(name, body, source)
    return list(found.values())


def _query(name: str, body: str, source: str) -> Query:
    lines = body.strip().splitlines()
    count = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    sql = "\n".join(lines[count:]).strip().removesuffix(";")
    if not sql:
        raise QueryError(f"{source}: {name} has no statement")
    return Query(name, "\n".join(line.removeprefix("--").strip() for line in lines[:count]), sql)


async def prepare_all(connection: Connection) -> None:
    """Have the server parse and plan every statement loaded so far. Raises QueryError with the server's words."""
    for package, loaded in _loaded.items():
        for query in loaded:
            try:
                await connection.prepare(query.sql)
            except PostgresError as error:
                raise QueryError(f"{package}: {query.name}: {error}") from error
