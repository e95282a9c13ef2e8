"""Collects every sentence of the pages into the catalogues in src/posthouse/web/pages/locale.

    python scripts/catalogue.py           adds what is new to each .po and drops what is gone, translations kept
    python scripts/catalogue.py --check   exits 1 when a sentence is missing or not translated; `make check` runs it

Sentences are the first arguments of `_`, `ngettext` (templates), `N_`, `.say` and `.count` (Python); also in the modules that say
why a mail waits and what an alert is about (`Sentence`), and what is wrong with DNS records.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

PAGES = Path(__file__).parent.parent / "src/posthouse/web/pages"
LOCALE = PAGES / "locale"
ROOMS = PAGES.parents[1]
WAITING = ROOMS / "outbox/waiting.py"
FINDINGS = [ROOMS / "accounts" / name for name in ("record_lint.py", "host_records.py")]
ALERTS = [
    *(ROOMS / "accounts" / name for name in ("domain_troubles.py", "guessing.py")),
    *(ROOMS / "intake" / name for name in ("blocked_alerts.py", "bulk_senders.py", "reputation.py")),
    ROOMS / "delivery/block_lists.py",
]
_TEXT = r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_ONE = re.compile(rf"(?<![\w.])_\(\s*{_TEXT}")
_MANY = re.compile(rf"\bngettext\(\s*{_TEXT}\s*,\s*{_TEXT}")
Sentence = str | tuple[str, str]


def sentences() -> dict[Sentence, set[str]]:
    """Every sentence with the files it stands in."""
    found: dict[Sentence, set[str]] = {}
    for path in sorted([*PAGES.rglob("*.html"), *PAGES.glob("*.py"), WAITING, *FINDINGS, *ALERTS]):
        text = path.read_text(encoding="utf-8")
        for sentence in _of_template(text) if path.suffix == ".html" else _of_module(text):
            found.setdefault(sentence, set()).add(path.name)
    return found


def _of_template(text: str) -> Iterator[Sentence]:
    for match in _ONE.finditer(text):
        yield ast.literal_eval(match[1])
    for match in _MANY.finditer(text):
        yield ast.literal_eval(match[1]), ast.literal_eval(match[2])


def _of_module(text: str) -> Iterator[Sentence]:
    pairs: set[str] = set()
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    for node in ast.walk(ast.parse(text)):
        pair = _marked_pair(node)
        if pair:
            pairs |= set(pair)
            yield pair
    for call in calls:
        name, words = _name(call.func), [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
        if name == "count" and len(words) >= 2 and all(isinstance(word, str) for word in words[:2]):
            yield str(words[0]), str(words[1])
        elif name in ("N_", "say", "Sentence") and words and isinstance(words[0], str) and words[0] not in pairs:
            yield words[0]


def _marked_pair(node: ast.AST) -> tuple[str, str] | None:
    """`(N_("one thing"), N_("{n} things"))`: singular and plural of one sentence."""
    if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
        return None
    words = [
        each.args[0].value
        for each in node.elts
        if isinstance(each, ast.Call) and _name(each.func) == "N_" and isinstance(each.args[0], ast.Constant)
    ]
    return (str(words[0]), str(words[1])) if len(words) == 2 and "{n}" in str(words[1]) else None


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _template() -> Catalog:
    catalogue = Catalog(project="Posthouse", charset="utf-8", header_comment="# The sentences of Posthouse's pages.")
    for sentence, places in sorted(sentences().items(), key=str):
        catalogue.add(sentence, locations=[(place, 0) for place in sorted(places)])
    return catalogue


def _write(path: Path, catalogue: Catalog) -> None:
    catalogue.fuzzy = False
    with path.open("wb") as file:
        write_po(file, catalogue, width=120, omit_header=True, include_lineno=False, ignore_obsolete=True)


def _translated(template: Catalog, path: Path) -> Catalog:
    with path.open("rb") as file:
        known = read_po(file, locale=path.stem)
    known.update(template, no_fuzzy_matching=True, update_creation_date=False)
    return known


def _missing(catalogue: Catalog) -> list[str]:
    def empty(message: object) -> bool:
        string = getattr(message, "string", "")
        return not (all(string) if isinstance(string, (list, tuple)) else string)

    return [str(message.id) for message in catalogue if message.id and empty(message)]


def main() -> int:
    """Writes or checks; the exit code says whether everything is translated."""
    template = _template()
    bad = 0
    for path in sorted(LOCALE.glob("*.po")):
        catalogue = _translated(template, path)
        missing = _missing(catalogue)
        if "--check" not in sys.argv:
            _write(path, catalogue)
        for sentence in missing:
            print(f"{path.name}: not translated: {sentence}")
        bad += len(missing)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
