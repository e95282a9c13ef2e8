"""The plot: whole XML, an axis from zero, bars to scale."""

from xml.etree import ElementTree

import pytest

from posthouse.bench.chart import Bar, Panel, number, svg, ticks

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (0.0, [0.0, 1.0]),
        (0.9, [0.0, 0.5, 1.0]),
        (4.0, [0.0, 1.0, 2.0, 3.0, 4.0]),
        (361.0, [0.0, 100.0, 200.0, 300.0, 400.0]),
        (3366.0, [0.0, 1000.0, 2000.0, 3000.0, 4000.0]),
    ],
)
def test_an_axis_has_round_numbers_from_zero_past_the_longest_bar(longest: float, expected: list[float]) -> None:
    assert ticks(longest) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.447, "0.447"), (12.54, "12.5"), (349.2, "349"), (5_000_000, "5,000,000")]
)
def test_numbers_have_no_more_digits_than_they_are_good_for(value: float, text: str) -> None:
    assert number(value) == text


def test_a_picture_is_whole_xml_with_every_label_and_bars_to_scale() -> None:
    panels = [
        Panel("Mails < a second", (Bar("a & b", (100.0,)), Bar("c", (25.0, 25.0))), ("one", "two")),
        Panel("Other", ()),
    ]
    root = ElementTree.fromstring(svg("Title", panels))
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {"Mails < a second", "a & b", "c", "one", "two", "100", "50", "Other"} <= set(texts)
    widths = [float(each.get("width", "0")) for each in root.iter(f"{SVG}rect") if each.get("height") == "14"]
    assert widths[0] == pytest.approx(4 * widths[1], abs=0.5)
    assert widths[1] == widths[2]
    assert root.find(f"{SVG}script") is None
