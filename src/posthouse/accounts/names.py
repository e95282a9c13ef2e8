"""Names that people give to things."""

from posthouse.model import limits
from posthouse.model.errors import FieldProblem


def problems(pointer: str, name: str, most: int = limits.ACCOUNT_NAME_CHARS) -> tuple[FieldProblem, ...]:
    """Why a text cannot be a name: empty, too long, or with characters that cannot be seen (which PostgreSQL may refuse too)."""
    if not name.strip():
        return (FieldProblem(pointer, "missing", "It is empty."),)
    if len(name) > most:
        return (FieldProblem(pointer, "too_long", f"It has more than {most} characters."),)
    if not name.isprintable():
        return (FieldProblem(pointer, "unprintable", "It contains a control character or a line break."),)
    return ()
