"""A list of addresses looked at before anybody is written to."""

from typing import Annotated

import msgspec
from msgspec import Meta

from posthouse.audience.hygiene import Advice, Finding
from posthouse.intake import list_check
from posthouse.intake.list_check import Domains, ListReport
from posthouse.model import limits
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema

LIST_BODY: Schema = {
    "type": "object",
    "properties": {
        "addresses": {
            "type": "array",
            "items": {"type": "string", "maxLength": 1000},
            "maxItems": limits.LIST_PER_CALL,
            "description": "as they stand in the list, spelled wrong or not",
        }
    },
    "required": ["addresses"],
    "additionalProperties": False,
}


class Remark(msgspec.Struct, frozen=True):
    """An address that something is the matter with."""

    line: Annotated[int, Meta(description="its place in the list, from 1")]
    address: str
    findings: tuple[Finding, ...]
    advice: Advice
    detail: str
    suggestion: Annotated[str, Meta(description="what it probably should be; empty when that is not known")]


class ListCheck(msgspec.Struct, frozen=True):
    """What a list comes to."""

    addresses: int
    findings: Annotated[dict[str, int], Meta(description="how many addresses have each finding")]
    advice: Annotated[dict[str, int], Meta(description="how many addresses to remove, correct, review and keep")]
    recommendations: tuple[str, ...]
    remarkable: tuple[Remark, ...]


async def check_list(exchange: Exchange) -> Answer:
    """Look at a list; nothing of it is kept."""
    body = read_object(exchange.body, LIST_BODY)
    if isinstance(body, Answer):
        return body
    text = "\n".join('"' + " ".join(each.split()).replace('"', '""') + '"' for each in body["addresses"])
    rooms = exchange.rooms
    process = rooms.process
    domains = Domains.of(process.settings, rooms.resolver(), limits.LIST_PATIENCE_S)
    report = await list_check.check(process.pool, exchange.submitter.workspace_id, text, domains, process.clock.now())
    return answer(_view(report))


def _view(report: ListReport) -> ListCheck:
    summary = report.summary
    return ListCheck(
        addresses=summary.addresses,
        findings={str(each): summary.findings.get(each, 0) for each in Finding},
        advice={str(each): summary.advice.get(each, 0) for each in Advice},
        recommendations=summary.recommendations,
        remarkable=tuple(
            Remark(each.line, each.address, each.findings, each.advice, each.detail, each.suggestion)
            for each in report.remarkable
        ),
    )
