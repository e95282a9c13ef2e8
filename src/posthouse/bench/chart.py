"""Horizontal bars as a static SVG: no script, readable in greyscale, light or dark as the reader prefers. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import Final

_WIDTH: Final = 860
_LABELS: Final = 320  # where bars begin
_VALUES: Final = 90  # kept free for the number behind the longest bar
_ROW: Final = 24
_BAR: Final = 14
_TITLE: Final = 40
_TICKS: Final = 30
_LEGEND: Final = 24
_LEGEND_ENTRY: Final = 105
_STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 15px; }
.tick { font-size: 11px; fill: #59636e; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.s0 { fill: #1f4e79; } .s1 { fill: #5b9bd5; } .s2 { fill: #b4d0ec; } .s3 { fill: #3a7a6b; }
.s4 { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .tick { fill: #9198a1; } .grid { stroke: #3d444d; }
  .s0 { fill: #4a86c5; } .s1 { fill: #8fc0f0; } .s2 { fill: #d3e6f9; } .s3 { fill: #7cc4b2; }
  .s4 { fill: #656c76; }
}"""
SHADES: Final = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: its parts from the left, in the order of the panel's legend."""

    label: str
    parts: tuple[float, ...]

    @property
    def total(self) -> float:
        """The whole length."""
        return sum(self.parts)


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars on one axis from zero. `title` names the quantity and its unit; `legend` the parts, when there are several."""

    title: str
    bars: tuple[Bar, ...]
    legend: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        """Pixels."""
        return _TITLE + (_LEGEND if self.legend else 0) + _ROW * len(self.bars) + _TICKS


def svg(title: str, panels: Sequence[Panel]) -> str:
    """The whole picture."""
    height = sum(panel.height for panel in panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{_STYLE}\n</style>",
    ]
    top = 0
    for panel in panels:
        lines += [f'<g transform="translate(0 {top})">', *_panel(panel), "</g>"]
        top += panel.height
    return "\n".join([*lines, "</svg>", ""])


def ticks(longest: float) -> list[float]:
    """Round numbers from zero up to the first one that is not below the longest bar; at most six."""
    if longest <= 0:
        return [0.0, 1.0]
    raw = longest / 4
    magnitude = 10.0 ** floor(log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw)
    count = 1
    while count * step < longest:
        count += 1
    return [number * step for number in range(count + 1)]


def number(value: float) -> str:
    """Three significant digits or whole thousands: 0.447, 12.5, 1,229."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _panel(panel: Panel) -> Iterator[str]:
    yield f'<text class="title" x="0" y="24">{escape(panel.title)}</text>'
    first = _TITLE
    if panel.legend:
        yield from _legend(panel.legend, first)
        first += _LEGEND
    marks = ticks(max((bar.total for bar in panel.bars), default=0.0))
    scale = (_WIDTH - _LABELS - _VALUES) / marks[-1]
    bottom = first + _ROW * len(panel.bars)
    for mark in marks:
        x = _LABELS + mark * scale
        yield f'<line class="grid" x1="{x:.1f}" y1="{first}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text class="tick" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{number(mark)}</text>'
    for place, bar in enumerate(panel.bars):
        yield from _bar(bar, first + _ROW * place, scale)


def _legend(names: Sequence[str], top: int) -> Iterator[str]:
    for place, name in enumerate(names):
        x = _LABELS + place * _LEGEND_ENTRY
        yield f'<rect class="s{place % SHADES}" x="{x}" y="{top}" width="12" height="12"/>'
        yield f'<text x="{x + 18}" y="{top + 11}">{escape(name)}</text>'


def _bar(bar: Bar, top: int, scale: float) -> Iterator[str]:
    middle = top + _ROW / 2
    yield f'<text x="{_LABELS - 10}" y="{middle + 4:.0f}" text-anchor="end">{escape(bar.label)}</text>'
    x = float(_LABELS)
    for place, part in enumerate(bar.parts):
        width = part * scale
        shade = f"s{place % SHADES}"
        yield f'<rect class="{shade}" x="{x:.1f}" y="{middle - _BAR / 2:.0f}" width="{width:.1f}" height="{_BAR}"/>'
        x += width
    yield f'<text x="{x + 6:.1f}" y="{middle + 4:.0f}">{number(bar.total)}</text>'
