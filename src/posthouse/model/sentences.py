"""What is told to people, in words with places for values: English here, and the same in another language where a page shows it."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from posthouse.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words with places for values: texts stand as they are; numbers, times and further words as the reader's language has them."""

    words: str
    values: "Mapping[str, Value]"


Value = str | int | float | datetime | timedelta | Sentence
Clause = Sentence | str  # a plain text is quoted: somebody else said it, and nobody translates it


def english(value: object) -> str:
    """A sentence, or a value of one, in English; times are UTC, to the second."""
    match value:
        case Sentence():
            return value.words.format(**{name: english(each) for name, each in value.values.items()})
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S UTC")
        case timedelta():
            return _duration(value.total_seconds())
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def written(clauses: Iterable[Clause]) -> list[Any]:
    """Clauses as JSON, for a column; their values are texts, numbers and further sentences."""
    return [_written(each) for each in clauses]


def read(kept: Iterable[Any]) -> tuple[Clause, ...]:
    """What `written` made of them."""
    return tuple(_read(each) for each in kept)


def _written(value: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, Sentence):
        return value
    return {"words": value.words, "values": {name: _written(each) for name, each in value.values.items()}}


def _read(value: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        return value
    return Sentence(value["words"], {name: _read(each) for name, each in value["values"].items()})


def _duration(seconds: float) -> str:
    """In the largest unit of which there are at least two."""
    for name, length_s in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{round(seconds / length_s)} {name}"
    return f"{round(seconds)} seconds"
