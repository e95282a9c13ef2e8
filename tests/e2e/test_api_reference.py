"""The API's published description: an OpenAPI document, and a page for people that asks nobody else for anything."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.web_server import running

from posthouse.web.api import openapi
from posthouse.web.api.problems import TYPES
from posthouse.web.api.reference import STYLE, page
from posthouse.web.api.shapes import _TYPES as KNOWN_TYPES
from posthouse.web.api.table import OPERATIONS

DOCUMENT = openapi.document(OPERATIONS, "https://mail.example.com")
PAGE = page(DOCUMENT).decode()
# What `shapes` looks at, and what only describes.
_UNDERSTOOD = {
    "type",
    "enum",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "items",
    "minItems",
    "maxItems",
}
_UNDERSTOOD |= {"properties", "required", "additionalProperties", "description", "default"}


class Links(HTMLParser):
    """Collects ids, links and everything else that would make a browser ask for something."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif name in ("href", "src", "action", "style"):
                self.links.append(value or "")


@pytest.fixture(scope="module")
def links() -> Links:
    parser = Links()
    parser.feed(PAGE)
    return parser


def schemas() -> Iterator[dict[str, Any]]:
    """Every schema `shapes` is asked to check with."""
    waiting = [each.schema for operation in OPERATIONS for each in operation.query]
    waiting += [operation.body for operation in OPERATIONS if operation.body and operation.path != "/v1/messages"]
    while waiting:
        schema = dict(waiting.pop())
        yield schema
        waiting += [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]


def test_the_page_asks_nobody_else_for_anything(links: Links) -> None:
    assert "script" not in links.tags
    assert all(link.startswith(("#", "/", "data:")) for link in links.links), links.links
    assert b"url(" not in STYLE
    assert b"@import" not in STYLE


def test_every_link_of_the_page_leads_somewhere(links: Links) -> None:
    inside = {link[1:] for link in links.links if link.startswith("#")}
    assert inside <= links.ids
    assert {f"problem-{kind.slug}" for kind in TYPES.values()} <= links.ids


def test_the_page_shows_every_operation_and_the_priority_with_range_and_default() -> None:
    for operation in OPERATIONS:
        assert operation.summary in PAGE
        assert operation.path in PAGE.replace("&#x2f;", "/")
    assert re.search(r"<code>priority</code>.*?integer 0 to 9, default 4", PAGE, re.DOTALL)


def test_the_document_names_priority_with_range_and_default() -> None:
    priority = DOCUMENT["components"]["schemas"]["Message"]["properties"]["priority"]
    assert (priority["type"], priority["minimum"], priority["maximum"], priority["default"]) == ("integer", 0, 9, 4)


def test_schemas_say_nothing_that_is_not_checked() -> None:
    for schema in schemas():
        assert schema["type"] in KNOWN_TYPES
        assert schema.keys() <= _UNDERSTOOD


def test_every_refusal_of_an_operation_has_a_problem_type() -> None:
    statuses = {
        int(status) for path in DOCUMENT["paths"].values() for each in path.values() for status in each["responses"]
    }
    assert {status for status in statuses if status >= 400} <= TYPES.keys()


async def test_page_and_document_are_served_without_a_key(make_process: Any) -> None:
    async with running(make_process) as web:
        web.client.headers.pop("authorization")
        served = await web.client.get("/docs")
        assert served.headers["content-type"] == "text/html; charset=utf-8"
        assert "Send one message or a list" in served.text
        assert (await web.client.get("/docs.css")).headers["content-type"] == "text/css; charset=utf-8"
        assert (await web.client.get("/openapi.json")).json()["openapi"] == "3.1.0"
        assert (await web.client.post("/docs")).status_code == 405
