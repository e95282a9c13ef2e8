"""Real mail that came back, where a collection of it lies beside the project. Counts, not single files: rules are for what nobody has seen."""

import csv
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.ledger.bounce_rules import BounceClass
from posthouse.ledger.explain import Explained, explain
from posthouse.ledger.kind import Kind

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no collection of samples beside the project")
AS_LABELLED = {BounceClass.BLOCKED: "other", BounceClass.UNKNOWN: "other"}


@dataclass
class Case:
    """A labelled sample with what we make of it."""

    label: dict[str, str]
    found: Explained

    @property
    def named(self) -> bool:
        """Whether exactly the right recipients were found."""
        wanted, also = (
            set(filter(None, re.split("[|;,]", self.label[column].lower())))
            for column in ("recipients", "recipients_also_ok")
        )
        got = {each.address.lower() for each in self.found.recipients}
        return got == wanted or (bool(got) and got <= wanted | also and len(got) >= len(wanted) - len(also))

    @property
    def classes(self) -> tuple[str, list[str]]:
        """What we say, and what may be said."""
        said = self.found.recipients[0].verdict.bounce_class if self.found.recipients else BounceClass.UNKNOWN
        return AS_LABELLED.get(said, str(said)), self.label["class_allowed"].split("|")


def labelled(folder: str) -> Iterator[Case]:
    with (SAMPLES / folder / "labels.csv").open(encoding="utf-8") as file:
        for label in csv.DictReader(file):
            yield Case(label, explain((SAMPLES / folder / label["file"]).read_bytes()))


def share(good: list[bool]) -> float:
    return sum(good) / len(good)


def test_bounces_name_their_recipients() -> None:
    cases = list(labelled("bounces"))
    assert share([case.named for case in cases if case.label["format"] == "dsn"]) >= 0.98
    assert share([case.named for case in cases if case.label["format"] == "free-form"]) >= 0.90
    assert share([case.found.kind in {Kind.BOUNCE, Kind.DELAY} for case in cases]) >= 0.98


def test_bounces_are_of_the_right_class_and_the_innocent_are_spared() -> None:
    judged = [case.classes for case in labelled("bounces") if case.label["class_allowed"] != "per-recipient"]
    assert share([said in allowed for said, allowed in judged]) >= 0.92
    assert share([said == "hard" for said, allowed in judged if "hard" not in allowed]) <= 0.01


def test_answers_are_no_bounces() -> None:
    kinds = {case.label["file"]: case.found.kind for case in labelled("autoreply")}
    assert not [file for file, kind in kinds.items() if kind in {Kind.BOUNCE, Kind.DELAY, Kind.COMPLAINT}]


def test_complaints_are_told_from_other_feedback() -> None:
    for case in labelled("arf"):
        others = {"auth-failure": Kind.OTHER, "opt-out": Kind.OPT_OUT}
        assert case.found.kind is others.get(case.label["feedback_type"], Kind.COMPLAINT), case.label["file"]
        if case.label["complainant"] and case.label["feedback_type"] != "auth-failure":
            assert [each.address for each in case.found.recipients] == [case.label["complainant"]]


def test_no_sample_takes_long() -> None:
    for file in sorted((SAMPLES / "mime").rglob("*.eml")):
        began = time.process_time()
        explain(file.read_bytes())
        assert time.process_time() - began < 0.5, file
