"""Messages reported per day as stacked bars in user units of a 640 x 200 picture. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from babel import dates

from posthouse.ledger.dmarc_reports import DayTotals
from posthouse.web.pages.home import nice_top
from posthouse.web.text import Speech

_TOP, _HEIGHT, _LEFT, _WIDTH = 12, 164, 52, 588
_LABELS: Final = 5  # days named under the plot
_GAP: Final = 0.2  # of a bar's step


def plot(days: Sequence[DayTotals], first: date, last: date, spoken: Speech) -> dict[str, Any]:
    """Every day from `first` to `last`, those nobody reported about too."""
    known = {each.day: each for each in days}
    span = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    shown = [known.get(day, DayTotals(day, 0, 0)) for day in span]
    top = nice_top(max(each.passed + each.failed for each in shown))
    step = _WIDTH / len(shown)
    every = -(-len(shown) // _LABELS)
    lines = [
        {"y": round(_TOP + _HEIGHT * (1 - share)), "label": spoken.number(round(top * share)), "zero": share == 0}
        for share in (0, 0.5, 1)
    ]
    bars = [
        {
            "x": round(_LEFT + step * (index + _GAP / 2), 1),
            "label": dates.format_date(each.day, "d MMM", locale=spoken.locale),
            "named": (len(shown) - 1 - index) % every == every // 2,
            "pieces": _pieces(each, top),
            **_words(each, spoken),
        }
        for index, each in enumerate(shown)
    ]
    return {"lines": lines, "bars": bars, "width": round(step * (1 - _GAP), 1), "left": _LEFT}


def _words(each: DayTotals, spoken: Speech) -> dict[str, Any]:
    day = dates.format_date(each.day, "d MMM", locale=spoken.locale)
    title = spoken.say(
        "{day}: {passed} passed, {failed} failed", day=day, passed=spoken.number(each.passed), failed=spoken.number(each.failed)
    )  # fmt: skip
    return {"title": title, "day": each.day.isoformat(), "passed": each.passed, "failed": each.failed}


def _pieces(each: DayTotals, top: int) -> list[dict[str, Any]]:
    pieces, base = [], float(_TOP + _HEIGHT)
    for tone, count in (("good", each.passed), ("bad", each.failed)):
        height = count / top * _HEIGHT
        base -= height
        if count:
            pieces.append({"tone": tone, "y": round(base, 1), "height": round(max(height, 1), 1)})
    return pieces
