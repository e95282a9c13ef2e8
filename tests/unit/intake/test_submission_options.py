"""The X-Mail-* fields as a table."""

import re
from pathlib import Path

import pytest

from posthouse.content.submitted import KNOWN_OPTIONS
from posthouse.intake.submission_options import Options, read


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("900", 900), ("15m", 900), ("1h30m", 5400), ("PT15M", 900), ("P1D", 86_400), ("2 h", None), ("90s", 90)],
)
def test_an_expiry_is_seconds_or_a_duration(value: str, seconds: int | None) -> None:
    found = read({"x-mail-expires": value})
    if seconds is None:
        assert not isinstance(found, Options)
    else:
        assert isinstance(found, Options)
        assert found.expires_in_s == seconds


@pytest.mark.parametrize("value", ["", "0", "-5", "1e3", "soon", "5000h", "P", "PT", "٣", "9" * 40])
def test_an_expiry_that_is_no_duration_is_refused_by_name(value: str) -> None:
    found = read({"x-mail-expires": value})
    assert not isinstance(found, Options)
    assert found[0].pointer == "X-Mail-Expires"


def test_several_tags_are_separated_by_commas() -> None:
    found = read({"x-mail-tag": "receipt, spring ,receipt,"})
    assert isinstance(found, Options)
    assert found.tags == ("receipt", "spring")


@pytest.mark.parametrize(
    ("value", "metadata"),
    [
        ('{"order": "17", "paid": true, "sum": 3}', {"order": "17", "paid": "true", "sum": "3"}),
        ("order 17", {"value": "order 17"}),
        ("", {}),
    ],
)
def test_metadata_is_a_flat_json_object_or_any_text(value: str, metadata: dict[str, str]) -> None:
    found = read({"x-mail-metadata": value})
    assert isinstance(found, Options)
    assert found.metadata == metadata


@pytest.mark.parametrize(
    ("value", "name"),
    [("Newsletter", "Newsletter"), (" Nyheder æøå ", "Nyheder æøå"), ("", None), ("x" * 101, None), ("a\x00b", None)],
)
def test_a_mailing_type_is_a_name(value: str, name: str | None) -> None:
    found = read({"x-mail-mailing-type": value})
    if name is None:
        assert not isinstance(found, Options)
        assert found[0].pointer == "X-Mail-Mailing-Type"
    else:
        assert isinstance(found, Options)
        assert found.mailing_type == name


def test_the_page_about_smtp_names_every_field() -> None:
    page = (Path(__file__).parents[3] / "docs" / "smtp.md").read_text()
    assert set(re.findall(r"^\| `(X-Mail-[A-Za-z-]+)`", page, re.MULTILINE)) == {name.title() for name in KNOWN_OPTIONS}


@pytest.mark.parametrize("value", ['{"a": {"b": 1}}', '{"a"', "x" * 256, "{" + "[" * 200])
def test_metadata_that_is_nested_broken_or_long_is_refused(value: str) -> None:
    assert not isinstance(read({"x-mail-metadata": value}), Options)
