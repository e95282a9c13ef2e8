"""Collecting what is wrong with a JSON submission: every bad field once, with its JSON pointer (RFC 6901)."""

from posthouse.model.errors import FieldProblem
from posthouse.model.limits import POINTER_CHARS, PROBLEMS_PER_MESSAGE


class Problems:
    """The problems of one message so far; beyond `PROBLEMS_PER_MESSAGE` more are not kept."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[FieldProblem] = []

    def add(self, pointer: str, code: str, detail: str) -> None:
        """Note one problem."""
        if len(self._found) < PROBLEMS_PER_MESSAGE:
            self._found.append(FieldProblem(pointer, code, detail))

    def wrong_type(self, pointer: str, wanted: str, value: object) -> None:
        """Note that `value` is not `wanted` ("a string")."""
        self.add(pointer, "wrong_type", f"This must be {wanted}, not {json_type(value)}.")

    def __bool__(self) -> bool:
        return bool(self._found)

    def found(self) -> tuple[FieldProblem, ...]:
        """All problems, in the order of the fields."""
        return tuple(self._found)


def step(pointer: str, name: str) -> str:
    """The pointer of the member `name` below `pointer`; a very long name is cut, since it is repeated to the client."""
    short = name if len(name) <= POINTER_CHARS else name[:POINTER_CHARS] + "…"
    return f"{pointer}/{short.replace('~', '~0').replace('/', '~1')}"


def json_type(value: object) -> str:
    """What a decoded JSON value is called in RFC 8259, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
