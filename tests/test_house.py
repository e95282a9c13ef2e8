"""The house rules a machine can check: purity, queries in use, prose, sizes, and words that belong nowhere.

Which room may import which is import-linter's business; `make check` runs it.
"""

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.runtime import queries

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/posthouse"
FILES = sorted(SOURCE.rglob("*.py"))
ROOMS = (
    "accounts",
    "bench",
    "cli",
    "content",
    "delivery",
    "exports",
    "intake",
    "lab",
    "ledger",
    "model",
    "outbox",
    "runtime",
    "web",
    "webhooks",
    "wire",
)

PURE = [
    *sorted((SOURCE / "wire").glob("*.py")),
    *sorted((SOURCE / "model").glob("*.py")),
    *(
        SOURCE / f"{name}.py"
        for name in (
            "intake/classify",
            "intake/route",
            "intake/checks",
            "intake/separation",
            "intake/mass",
            "intake/submission_options",
            "intake/rows",
            "intake/request",
            "intake/suppression_csv",
            "exports/schedule",
            "exports/writing",
            "exports/links",
            "delivery/shaping",
            "delivery/retry",
            "delivery/rates",
            "delivery/rules",
            "delivery/rule_tables",
            "delivery/rule_values",
            "delivery/backoff",
            "delivery/warmup",
            "delivery/ownership",
            "delivery/transcript",
            "delivery/tls_policy",
            "ledger/suppression",
            "ledger/report",
            "ledger/bounce_rules",
            "ledger/classify",
            "ledger/explain",
            "ledger/kind",
            "outbox/waiting",
            "outbox/search_terms",
            "accounts/dns_records",
            "accounts/selectors",
            "accounts/attempts",
            "lab/behaviours",
            "runtime/reach",
            "webhooks/payload",
            "webhooks/schedule",
            "webhooks/signature",
            "webhooks/target",
            "cli/message_text",
            "web/pages/selecting",
            "web/pages/words",
            "web/pages/report_plot",
            "bench/figures",
            "bench/mails",
            "bench/chart",
            "bench/report",
        )
    ),
]
WORLD = {"asyncio", "time", "random", "secrets", "os", "socket", "select", "ssl", "subprocess", "threading", "uvloop"}
IMPURE_CALLS = re.compile(r"\b(?:open|input|print|datetime\.now|datetime\.utcnow|date\.today|uuid[1-7])\(")
# `suppression` has its query functions beside the rule; they take a connection and do no I/O of their own.

FUNCTION_LINES = 60
FILE_LINES = 500
FORBIDDEN = re.compile(
    r"/work/|\.\./shared|/root/|/tmp/brief|pypi\.org|files\.pythonhosted|registry\.npmjs|deb\.debian|"
    r"NotImplementedError|\bTODO\b|\bFIXME\b|\bXXX\b"
)
VAGUE = {"utils", "util", "common", "helpers", "helper", "manager", "service", "base", "misc"}
TEXT = {".py", ".sql", ".md", ".toml", ".txt", ".html", ".css", ".js", ".po", ".service", ".sh", ".in", ""}


def test_pure_modules_import_nothing_of_the_world() -> None:
    found = {
        f"{path.relative_to(SOURCE)}: {name}"
        for path in PURE
        for name in imported(path)
        if name.partition(".")[0] in WORLD
    }
    assert not found


def test_pure_modules_ask_no_clock_and_do_no_output() -> None:
    found = [
        f"{path.relative_to(SOURCE)}: {match[0]}" for path in PURE for match in IMPURE_CALLS.finditer(code_only(path))
    ]
    assert not found


def test_wire_and_model_know_no_other_room() -> None:
    allowed = {"wire": {"wire", "model"}, "model": {"model"}}
    found = [
        f"{path.relative_to(SOURCE)}: {name}"
        for room, rooms in allowed.items()
        for path in (SOURCE / room).glob("*.py")
        for name in imported(path)
        if name.startswith("posthouse.") and name.split(".")[1] not in rooms
    ]
    assert not found


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("queries.sql")), ids=lambda file: file.parent.name)
def test_every_query_is_used_and_every_used_one_exists(file: Path) -> None:
    written = {query.name for query in queries.load(f"posthouse.{file.parent.name}")}
    used = {name for path in file.parent.rglob("*.py") for name in re.findall(r"\bSQL\.(\w+)", code_only(path))}
    assert used - written == set(), "used, but not in queries.sql"
    assert written - used == set(), "in queries.sql, but used by nobody"


def test_no_statement_is_written_outside_queries_sql() -> None:
    """Runtime looks after the schema itself and has no tables of its own: its few statements stand where they are used."""
    statement = re.compile(r"^\s*(?:SELECT\s.+\sFROM|INSERT INTO|UPDATE\s+\w+\s+SET|DELETE FROM)\b", re.DOTALL)
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in FILES
        if path.relative_to(SOURCE).parts[0] != "runtime"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and statement.match(node.value)
    ]
    assert not found


def test_every_room_opens_with_prose() -> None:
    for room in ROOMS:
        prose = importlib.import_module(f"posthouse.{room}").__doc__ or ""
        assert len(prose.split()) >= 12, f"{room}/__init__.py says too little"


def test_every_module_and_public_function_says_what_it_is() -> None:
    found = []
    for path in FILES:
        tree = parsed(path)
        if ast.get_docstring(tree) is None and path.stat().st_size:
            found.append(str(path.relative_to(SOURCE)))
        found += [
            f"{path.relative_to(SOURCE)}: {node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and ast.get_docstring(node) is None
        ]
    assert not found


def test_functions_and_files_stay_short() -> None:
    found = []
    for path in FILES:
        if (lines := len(path.read_text().splitlines())) > FILE_LINES:
            found.append(f"{path.relative_to(SOURCE)} has {lines} lines")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if (length := node.end_lineno - node.lineno + 1) > FUNCTION_LINES:
                    found.append(f"{path.relative_to(SOURCE)}: {node.name} has {length} lines")
    assert not found


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [str(path.relative_to(SOURCE)) for path in FILES if path.stem in VAGUE or path.parent.name in VAGUE]


def test_nothing_names_a_machine_a_registry_or_work_left_to_do() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in shipped()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        for match in FORBIDDEN.finditer(line)
    ]
    assert not found


def test_every_decision_record_has_its_four_parts() -> None:
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text()
        for part in ("## Context", "## Options", "## Choice", "## What would change our mind"):
            assert part in text, f"{path.name} lacks {part}"


def test_every_path_the_documents_name_exists() -> None:
    named = re.compile(r"`((?:src|tests|scripts|docs|deploy)/[\w./@-]+)`")
    found = [
        f"{path.relative_to(ROOT)}: {match[1]}"
        for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
        for match in named.finditer(path.read_text())
        if not (ROOT / match[1]).exists()
    ]
    assert not found


def shipped() -> Iterator[Path]:
    """The text files of the repository, this one and the resolver's lists of hashes excepted."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, listed):
        path = ROOT / name
        generated = name.startswith(("requirements/", ".venv/")) or name.endswith(("package-lock.json", "LICENSE"))
        if path.suffix in TEXT and path.is_file() and not generated and path != Path(__file__):
            yield path


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def code_only(path: Path) -> str:
    """The source without comments and docstrings."""
    return ast.unparse(_without_docstrings(parsed(path)))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def imported(path: Path) -> set[str]:
    """Full names of the modules a file imports."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not _is_only_a_type(node):
            names.add(node.module)
    return names


def _is_only_a_type(node: ast.ImportFrom) -> bool:
    """A source of randomness that is handed in is a fact like any other."""
    return node.module == "random" and [alias.name for alias in node.names] == ["Random"]
