"""The dialogue of an attempt as a person reads it."""

from collections.abc import Iterable

from posthouse.model.outcome import TranscriptLine


def as_text(lines: Iterable[TranscriptLine]) -> str:
    """One line each: `> ` what we said, `< ` what the receiver said, `* ` a remark."""
    marks = {"C": ">", "S": "<"}
    return "\n".join(f"{marks.get(who, '*')} {text}" for who, text in lines)
