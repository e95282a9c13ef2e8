"""The values of a shaping file: what each key may hold, and a place to note what is wrong with it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from ipaddress import ip_address
from typing import Any, Final, TypeAlias

from posthouse.delivery import rates
from posthouse.delivery.backoff import Do
from posthouse.delivery.rates import Rate
from posthouse.model import limits
from posthouse.model.outcome import Stage

Reader: TypeAlias = Callable[[Any], Any]
"""From what TOML says to the value. Raises ValueError with the rest of a sentence that begins with the key."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file we are, and the list of what is wrong so far."""

    file: str
    path: tuple[str, ...]
    problems: list[str]

    def at(self, *names: str) -> "Place":
        """Further in."""
        return Place(self.file, (*self.path, *names), self.problems)

    def note(self, trouble: str) -> None:
        """Something is wrong here."""
        self.problems.append(f"{self.file}: {'.'.join(map(_quoted, self.path))}: {trouble}")

    def table(self, value: object) -> dict[str, Any]:
        """A table; empty, with a note, when it is none."""
        if isinstance(value, dict):
            return value
        self.note("is no table")
        return {}

    def values(self, given: Mapping[str, Any], readers: Mapping[str, Reader]) -> dict[str, Any]:
        """The values of a table by key, without those that are wrong."""
        found = {}
        for key, value in given.items():
            if key not in readers:
                self.at(key).note(f"there is no such key; there are {', '.join(readers)}")
                continue
            try:
                found[key] = readers[key](value)
            except ValueError as error:
                self.at(key).note(str(error))
        return found


def count(value: object) -> int:
    """A whole number, at least one."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limits.SHAPING_COUNT:
        raise ValueError(f"{value!r} is no whole number from 1 to {limits.SHAPING_COUNT}")
    return value


def matches(value: object) -> int:
    """How many matches an action waits for."""
    if count(value) > limits.ACTION_MATCHES:
        raise ValueError(f"more than {limits.ACTION_MATCHES} are not remembered")
    return count(value)


def truth(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def text(value: object) -> str:
    """Some text."""
    if not isinstance(value, str) or not value.strip() or len(value) > limits.ACTION_TEXT_CHARS:
        raise ValueError(f"{value!r} is no text of 1 to {limits.ACTION_TEXT_CHARS} characters")
    return value


def words(value: object) -> tuple[str, ...]:
    """One text or a list of them."""
    found = value if isinstance(value, list) else [value]
    if not 1 <= len(found) <= limits.ACTION_TEXTS:
        raise ValueError(f"needs 1 to {limits.ACTION_TEXTS} texts")
    return tuple(map(text, found))


def patterns(value: object) -> tuple[str, ...]:
    """Texts to look for; `*` alone would match everything."""
    found = words(value)
    if empty := [each for each in found if not each.replace("*", "").strip()]:
        raise ValueError(f"{empty[0]!r} would match every reply")
    return found


def one_of(*choices: str) -> Reader:
    """One of these words."""

    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}")
        return str(value)

    return read


def duration(value: object) -> float:
    """Seconds of a duration, more than none."""
    found = rates.seconds(text(value))
    if found <= 0:
        raise ValueError(f"{value!r} is no time at all")
    return found


def rate(value: object) -> Rate:
    """One rate."""
    return rates.parse(text(value))


def rate_or_none(value: object) -> Rate | None:
    """One rate, or the word none."""
    return None if value == "none" else rate(value)


def rate_list(value: object) -> tuple[Rate, ...]:
    """A list of rates that all hold; empty means no limit."""
    if not isinstance(value, list):
        return (rate(value),)
    return tuple(map(rate, value))


def suffixes(value: object) -> tuple[str, ...]:
    """Ends of host names, each from a dot on."""
    found = tuple(each.lower() for each in words(value))
    if wrong := [each for each in found if not each.startswith(".") or len(each) < 2 or each.endswith(".")]:
        raise ValueError(f'{wrong[0]!r} is no end of a host name from a dot on, as in ".example.com"')
    return found


def codes(value: object) -> frozenset[str]:
    """Reply codes: 421, 4.7.28, 4xx or 5xx."""
    found = words(value)
    if wrong := [each for each in found if not _is_code(each)]:
        raise ValueError(f"{wrong[0]!r} is no reply code: write 421, 4.7.28, 4xx or 5xx, in quotes")
    return frozenset(found)


def stages(value: object) -> frozenset[Stage]:
    """Steps of an attempt by name."""
    found = words(value)
    if wrong := [each for each in found if each not in set(Stage)]:
        raise ValueError(f"{wrong[0]!r} is none of {', '.join(Stage)}")
    return frozenset(map(Stage, found))


def what_to_do(value: object) -> Do:
    """What an action does."""
    return Do(one_of(*Do)(value))


def day(value: object) -> date:
    """A date, as TOML writes it: 2026-11-20."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"{value!r} is no date: write it as 2026-11-20, without quotes")
    return value


def daily(value: object) -> tuple[int, ...]:
    """Mails a day, from the first day on."""
    if not isinstance(value, list) or not 1 <= len(value) <= limits.WARMUP_DAYS:
        raise ValueError(f"is no list of 1 to {limits.WARMUP_DAYS} numbers of mails")
    return tuple(map(count, value))


def address(value: str) -> str:
    """An IP address as we write it. ValueError when it is none."""
    return str(ip_address(value))


def _is_code(value: str) -> bool:
    if value in {"4xx", "5xx"}:
        return True
    parts = value.split(".")
    digits = all(part.isdecimal() and part.isascii() for part in parts)
    basic = len(parts) == 1 and len(value) == 3
    enhanced = len(parts) == 3 and all(len(part) <= 3 for part in parts)
    return digits and value[0] in "45" and (basic or enhanced)


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name or ":" in name else name


PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
"""What the name of a provider or a plan is written with."""


def is_plain(name: str) -> bool:
    """Whether a name is short and plain enough for one."""
    return 0 < len(name) <= 40 and set(name) <= PLAIN
