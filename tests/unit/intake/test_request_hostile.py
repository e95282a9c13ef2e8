"""Whatever is posted, reading it never raises, and what is accepted is a well-formed message."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.intake.request import READERS, Call, Context, parse, parse_message
from posthouse.model.errors import FieldProblem
from posthouse.model.mail import Refused, Submission, Submitter
from posthouse.model.words import Scope
from posthouse.wire import headers

SUBMITTER = Submitter(UUID(int=1), 1, UUID(int=2), "api_key", "shop", frozenset({Scope.SEND}))
CONTEXT = Context(
    SUBMITTER, datetime(2026, 11, 21, 12, 0, tzinfo=UTC), lambda: UUID("019a0000-0000-7000-8000-000000000001")
)

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.sampled_from(
    [
        "a\r\nBcc: x@y.zz",
        "\r\n\r\n",
        "\x00",
        "\n.\r\n",
        "ann@example.com",
        "a@b",
        "Ann <ann@example.com>",
        "=?utf-8?q?x?=",
        "é" * 80,
    ]
)
scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
anything = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)
message = st.dictionaries(st.sampled_from(sorted(READERS)) | text, anything, max_size=8)
plausible = st.fixed_dictionaries(
    {
        "from": st.just("ann@example.com") | text,
        "to": st.just("bo@example.org") | st.lists(text, max_size=3),
        "text": text,
    },
    optional={
        "subject": text,
        "html": text,
        "headers": st.dictionaries(text | st.just("X-Order"), text, max_size=3),
        "reply_to": text,
        "tags": st.lists(text, max_size=3),
        "attachments": st.lists(st.fixed_dictionaries({"filename": text, "content": st.just("aGk=")}), max_size=2),
    },
)


def is_sound(outcome: Submission | Refused) -> None:
    if isinstance(outcome, Refused):
        assert outcome.problems
        assert all(isinstance(problem, FieldProblem) and problem.detail for problem in outcome.problems)
        return
    content = outcome.content
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    block, _ = headers.split(content)
    assert headers.is_well_formed(block)
    assert headers.count(block, "From") == 1
    assert headers.count(block, "Bcc") == 0
    assert b"\x00" not in block


@given(message)
def test_any_object_is_accepted_or_refused_in_words(posted: dict[str, Any]) -> None:
    is_sound(parse_message(posted, CONTEXT))


@given(plausible)
@settings(max_examples=300)
def test_hostile_texts_do_not_leave_their_fields(posted: dict[str, Any]) -> None:
    is_sound(parse_message(posted, CONTEXT))


@given(
    st.binary(max_size=60) | anything.map(msgspec.json.encode) | st.lists(message, max_size=3).map(msgspec.json.encode)
)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    outcome = parse(body, CONTEXT)
    for each in outcome.messages if isinstance(outcome, Call) else [outcome]:
        is_sound(each)
