"""What a workspace does about each kind of failure, and its own rules for telling them apart: the values (pure) and their row.

A workspace that chose nothing does as the standards of the trade say: the first hard bounce stops everything, soft ones stop marketing
when they are many for weeks (requirements AMB-25), and what is blocked is never the address's fault, whatever is chosen here.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from posthouse.ledger import bounce_rules, soft
from posthouse.ledger.bounce_rules import BounceClass, OwnRule
from posthouse.ledger.sql import SQL
from posthouse.ledger.suppression import CHANNEL_EMAIL, EVERYTHING, MARKETING
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime.postgres import Connection, Executor

NOTHING: Final = "nothing"
HARD: Final = (EVERYTHING, NOTHING)
COMPLAINT: Final = (MARKETING, CHANNEL_EMAIL)
CLASSES: Final = (BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCKED)
_STATUS: Final = re.compile(r"[245](?:\.\d{1,3}){0,2}")
_LITERAL: Final = 3


class BouncePolicy(msgspec.Struct, frozen=True):
    """`hard`: what a hard bounce stops. `soft_messages` 0: soft bounces stop nothing. `complaint`: what a complaint stops.

    `blocked_alert`: administrators are told who refuses the workspace's mail. `rules` are asked in order, before any other.
    """

    hard: str = EVERYTHING
    soft_messages: int = soft.MESSAGES
    soft_days: int = soft.SPAN.days
    blocked_alert: bool = True
    complaint: str = MARKETING
    rules: tuple[OwnRule, ...] = ()

    @property
    def soft_span(self) -> timedelta:
        """How long soft bounces must have gone on before they stop marketing."""
        return timedelta(days=self.soft_days)

    def changes(self, other: "BouncePolicy") -> dict[str, list[Any]]:
        """What `other` has instead, old and new, for the audit log."""
        before, after = msgspec.to_builtins(self), msgspec.to_builtins(other)
        return {name: [before[name], after[name]] for name in before if before[name] != after[name]}


DEFAULT: Final = BouncePolicy()


def read(asked: Mapping[str, Any]) -> BouncePolicy | list[FieldProblem]:
    """A policy from what somebody asks for, whose shape is right; every problem with it otherwise."""
    wanted = [{**rule, "match": " ".join(rule["match"].lower().split())} for rule in asked.get("rules", ())]
    problems = [problem for index, rule in enumerate(wanted) for problem in _rule_problems(rule, f"/rules/{index}")]
    if len(wanted) > limits.BOUNCE_RULES:
        problems.append(FieldProblem("/rules", "too_many", f"There are at most {limits.BOUNCE_RULES} rules."))
    return problems or msgspec.convert({**asked, "rules": wanted}, BouncePolicy)


def _rule_problems(rule: Mapping[str, Any], at: str) -> list[FieldProblem]:
    found = []
    literals = [piece.strip() for piece in rule["match"].split("*")]
    if len(rule["match"]) > limits.BOUNCE_RULE_CHARS or len(literals) - 1 > limits.BOUNCE_RULE_WILDCARDS:
        detail = (
            f"Words have at most {limits.BOUNCE_RULE_CHARS} characters and {limits.BOUNCE_RULE_WILDCARDS} asterisks."
        )
        found.append(FieldProblem(f"{at}/match", "too_long", detail))
    elif rule.get("status") and not _STATUS.fullmatch(rule["status"]):
        found.append(
            FieldProblem(
                f"{at}/status", "invalid_status", "A status code looks like 5.7.1, or 5.7 for all that begin so."
            )
        )
    elif max(map(len, literals)) < _LITERAL and not (rule.get("status") and not rule["match"]):
        detail = "Give at least three characters in a row, or a status code alone: fewer would fit nearly everything."
        found.append(FieldProblem(f"{at}/match", "too_short", detail))
    if rule["reason"] not in bounce_rules.shipped().reasons:
        found.append(FieldProblem(f"{at}/reason", "unknown_reason", "This is none of the reasons."))
    return found


async def of(connection: Executor, workspace_id: UUID) -> BouncePolicy:
    """What the workspace chose."""
    row = await connection.fetchrow(SQL.bounce_policy, workspace_id)
    return msgspec.convert(row["policy"], BouncePolicy) if row else DEFAULT


async def choose(connection: Connection, workspace_id: UUID, policy: BouncePolicy, changed_at: object) -> None:
    """From the next failure on."""
    await connection.execute(SQL.choose_bounce_policy, workspace_id, msgspec.to_builtins(policy), changed_at)
