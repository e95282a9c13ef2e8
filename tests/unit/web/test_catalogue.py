"""The catalogues are complete, and translations keep the places for values."""

import re
import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po

from posthouse.web.pages.refusals import REFUSALS

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "src/posthouse/web/pages"
_PLACE = re.compile(r"\{(\w+)\}")


def test_every_sentence_of_the_pages_is_translated() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts/catalogue.py", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_every_room_that_raises_alerts_is_read_for_sentences() -> None:
    read = (ROOT / "scripts/catalogue.py").read_text(encoding="utf-8")
    raising = [path for path in (ROOT / "src/posthouse").rglob("*.py") if "Trouble.of(" in path.read_text("utf-8")]
    assert len(raising) > 5
    for path in raising:
        assert f'{path.name}"' in read, path


def test_translations_keep_the_places_for_values() -> None:
    with (PAGES / "locale/da.po").open("rb") as file:
        for message in read_po(file, locale="da"):
            pairs = zip(message.id, message.string) if isinstance(message.id, tuple) else [(message.id, message.string)]  # noqa: B905
            for sentence, translated in pairs:
                extra = set(_PLACE.findall(str(translated))) - set(_PLACE.findall(str(sentence)))
                assert extra <= {"n"}, message.id


def test_the_refusals_are_still_said_by_somebody() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for room in ("accounts", "intake", "ledger", "webhooks", "wire")
        for path in (ROOT / "src/posthouse" / room).glob("*.py")
    ]
    for sentence in REFUSALS:
        last = sentence.removeprefix("This is not a usable mail address. ")
        assert any(last in source for source in sources), sentence
