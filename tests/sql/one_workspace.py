"""Does a statement keep to one workspace? What a database distributed by `workspace_id` asks of every hot statement. Pure.

A statement keeps to one when every tenant table in it is pinned: its `workspace_id` equals the same one parameter, directly or
through an equality with another pinned table. Rows that are inserted may instead each name their own workspace.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp

KEY: Final = "workspace_id"
_BLOCKS: Final = (exp.Select, exp.Update, exp.Delete, exp.Insert)
_BYTE_ORDER: Final = re.compile(r"~([<>]=?)~")  # operators of text_pattern_ops, which the parser does not know

Place = tuple[int, str]  # a block by identity, and a table's name in it


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a statement: the tenant tables it touches, those that are not pinned, and the parameters that pin."""

    tables: frozenset[str]
    loose: frozenset[str]
    parameters: frozenset[str]
    writes: frozenset[str]

    @property
    def keeps_to_one(self) -> bool:
        """Whether it may run on the one node that holds the workspace."""
        return not self.loose and len(self.parameters) <= 1


def examine(sql: str, tenant: Collection[str]) -> Finding:
    """What one statement does with the tables named in `tenant`."""
    tree = sqlglot.parse_one(_BYTE_ORDER.sub(r"\1", sql), read="postgres")
    named_inside = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = [t for t in tree.find_all(exp.Table) if t.name in tenant and t.name not in named_inside]
    written = {id(table): block for block in tree.find_all(*_BLOCKS) if (table := _target(block)) is not None}
    bonds = _Bonds()
    for block in tree.find_all(*_BLOCKS):
        _bind(block, bonds, tenant)
    loose = {t.name for t in tables if not _is_insert(written.get(id(t))) and not bonds.parameters_of(_place(t))}
    loose |= {t.name for t in tables if _is_insert(b := written.get(id(t))) and b is not None and not _names_rows(b)}
    parameters = {name for t in tables for name in bonds.parameters_of(_place(t))} | _inserted_parameters(tree, tenant)
    writes = {t.name for t in tables if id(t) in written}
    return Finding(frozenset(t.name for t in tables), frozenset(loose), frozenset(parameters), frozenset(writes))


class _Bonds:
    """Which tables' keys are equal to each other and to which parameters."""

    def __init__(self) -> None:
        self._equal: dict[Place, set[Place]] = {}
        self._parameters: dict[Place, set[str]] = {}

    def link(self, one: Place, other: Place) -> None:
        """Their keys are equal."""
        self._equal.setdefault(one, set()).add(other)
        self._equal.setdefault(other, set()).add(one)

    def pin(self, place: Place, parameter: str) -> None:
        """Its key is this parameter."""
        self._parameters.setdefault(place, set()).add(parameter)

    def parameters_of(self, place: Place) -> set[str]:
        """Every parameter its key equals."""
        seen, todo = {place}, [place]
        while todo:
            fresh = self._equal.get(todo.pop(), set()) - seen
            seen |= fresh
            todo += fresh
        return {name for each in seen for name in self._parameters.get(each, ())}


def _bind(block: exp.Expression, bonds: _Bonds, tenant: Collection[str]) -> None:
    """Reads the equalities and USING clauses that stand in a block itself."""
    for join in block.find_all(exp.Join):
        if _block_of(join) is block and KEY in {column.name for column in join.args.get("using") or ()}:
            _link_all(block, bonds, tenant)
    for equality in block.find_all(exp.EQ):
        if equality.find_ancestor(*_BLOCKS, exp.Or, exp.Not) is block:
            _equate(block, equality, bonds, tenant)


def _link_all(block: exp.Expression, bonds: _Bonds, tenant: Collection[str]) -> None:
    first, *rest = [_place(table) for table in _tables_of(block) if table.name in tenant]
    for each in rest:
        bonds.link(first, each)


def _equate(block: exp.Expression, equality: exp.EQ, bonds: _Bonds, tenant: Collection[str]) -> None:
    sides = [equality.this, equality.expression]
    keys = [place for side in sides if (place := _key_place(block, side, tenant)) is not None]
    for side in sides:
        if isinstance(side, exp.Parameter) and keys:
            bonds.pin(keys[0], side.name)
    if len(keys) == len(sides):
        bonds.link(*keys)


def _key_place(block: exp.Expression, side: exp.Expression, tenant: Collection[str]) -> Place | None:
    """The table whose key this is; a bare name belongs to the block's first tenant table."""
    if not isinstance(side, exp.Column) or side.name != KEY:
        return None
    at: exp.Expression | None = block
    while at is not None:
        for table in _tables_of(at):
            if table.alias_or_name == side.table or (not side.table and table.name in tenant):
                return _place(table)
        at = _block_of(at)
    return None


def _tables_of(block: exp.Expression) -> Iterator[exp.Table]:
    return (table for table in block.find_all(exp.Table) if _block_of(table) is block)


def _block_of(node: exp.Expression) -> exp.Expression | None:
    return node.find_ancestor(*_BLOCKS)


def _place(table: exp.Table) -> Place:
    return id(_block_of(table)), table.alias_or_name


def _target(block: exp.Expression) -> exp.Table | None:
    if not isinstance(block, exp.Update | exp.Delete | exp.Insert):
        return None
    return block.this.find(exp.Table) if block.this is not None else None


def _is_insert(block: exp.Expression | None) -> bool:
    return isinstance(block, exp.Insert)


def _names_rows(insert: exp.Expression) -> bool:
    """Whether inserted rows name their workspace, and a conflict on them stays inside it."""
    columns = [column.name for column in insert.this.expressions]
    conflict = insert.args.get("conflict")
    kept = conflict is None or KEY in {key.name for key in conflict.args.get("conflict_keys") or ()}
    return KEY in columns and kept


def _inserted_parameters(tree: exp.Expression, tenant: Collection[str]) -> set[str]:
    """Parameters inserted as the key; a column read from arrays is many keys and no parameter."""
    found = set()
    for insert in tree.find_all(exp.Insert):
        columns = [column.name for column in insert.this.expressions]
        target = _target(insert)
        if target is None or target.name not in tenant or KEY not in columns:
            continue
        rows = insert.expression
        given = rows.expressions[0].expressions if isinstance(rows, exp.Values) else rows.expressions
        at = columns.index(KEY)
        if len(given) > at and isinstance(given[at], exp.Parameter):
            found.add(given[at].name)
    return found
