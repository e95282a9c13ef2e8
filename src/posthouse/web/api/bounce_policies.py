"""What the workspace does about mail that comes back, and its own rules for telling failures apart."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from posthouse.accounts import changes
from posthouse.intake import bounce_policies
from posthouse.ledger import bounce_policy, bounce_rules
from posthouse.ledger.bounce_policy import CLASSES, COMPLAINT, HARD, NOTHING, BouncePolicy
from posthouse.ledger.bounce_rules import BounceClass
from posthouse.model import limits
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal

ALERT: Final = "alert"
_RULE: Final[Schema] = {
    "type": "object",
    "properties": {
        "match": {
            "type": "string",
            "maxLength": limits.BOUNCE_RULE_CHARS,
            "default": "",
            "description": "words in what the receiver said, in upper or lower case; * stands for any text between two of them",
        },
        "status": {
            "type": "string",
            "maxLength": 12,
            "default": "",
            "description": "only with this enhanced status code, 5.7.1, or one that begins so, 5.7",
        },
        "class": {"type": "string", "enum": [*CLASSES], "description": "what such a failure is"},
        "reason": {"type": "string", "enum": [*bounce_rules.shipped().reasons], "description": "why, in one word"},
    },
    "required": ["class", "reason"],
    "additionalProperties": False,
}
BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "hard": {"type": "string", "enum": [*HARD], "description": "what a hard bounce stops"},
        "soft_messages": {
            "type": "integer",
            "minimum": 0,
            "maximum": limits.SOFT_BOUNCE_MESSAGES,
            "description": "marketing messages in a row that came back soft before marketing stops; 0: never",
        },
        "soft_days": {
            "type": "integer",
            "minimum": 0,
            "maximum": limits.SOFT_BOUNCE_DAYS,
            "description": "... when the first and the last of them are so many days apart",
        },
        "blocked": {
            "type": "string",
            "enum": [ALERT, NOTHING],
            "description": "alert: administrators are told who refuses our mail; an address never suffers for it",
        },
        "complaint": {"type": "string", "enum": [*COMPLAINT], "description": "what a complaint stops"},
        "rules": {"type": "array", "items": _RULE, "maxItems": limits.BOUNCE_RULES},
    },
    "required": ["hard", "soft_messages", "soft_days", "blocked", "complaint", "rules"],
    "additionalProperties": False,
}


class OwnRuleView(msgspec.Struct, frozen=True):
    """A rule of the workspace's own. `match` is in lower case."""

    match: str
    status: str
    bounce_class: BounceClass = msgspec.field(name="class")
    reason: str


class BounceRules(msgspec.Struct, frozen=True):
    """What each outcome does, and the rules that are asked before the ones every workspace has."""

    hard: str
    soft_messages: int
    soft_days: int
    blocked: str
    complaint: str
    auto_reply: Annotated[str, Meta(description="always nothing: whoever is away reads it later")]
    challenge: Annotated[str, Meta(description="always nothing: no program proves that it is a person")]
    rules: tuple[OwnRuleView, ...]


async def show(exchange: Exchange) -> Answer:
    """What is chosen."""
    return answer(_view(await bounce_policy.of(exchange.rooms.process.pool, exchange.submitter.workspace_id)))


async def choose(exchange: Exchange) -> Answer:
    """Choose all of it."""
    body = read_object(exchange.body, BODY)
    if isinstance(body, Answer):
        return body
    policy = bounce_policy.read(_asked(body))
    if isinstance(policy, list):
        return refusal(invalid(policy))
    submitter = exchange.submitter
    async with changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor) as change:
        await bounce_policies.choose(change, policy)
    return answer(_view(policy))


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    rules = [
        {
            "match": rule.get("match", ""),
            "status": rule.get("status", ""),
            "bounce_class": rule["class"],
            "reason": rule["reason"],
        }
        for rule in body["rules"]
    ]
    return {
        **{name: value for name, value in body.items() if name != "blocked"},
        "blocked_alert": body["blocked"] == ALERT,
        "rules": rules,
    }


def _view(policy: BouncePolicy) -> BounceRules:
    return BounceRules(
        hard=policy.hard,
        soft_messages=policy.soft_messages,
        soft_days=policy.soft_days,
        blocked=ALERT if policy.blocked_alert else NOTHING,
        complaint=policy.complaint,
        auto_reply=NOTHING,
        challenge=NOTHING,
        rules=tuple(OwnRuleView(each.match, each.status, each.bounce_class, each.reason) for each in policy.rules),
    )
