"""Writes docs/reference from the code, so that it cannot say anything else.

python scripts/reference.py           writes settings.md, api.md and shaping.md
python scripts/reference.py --check   exits 1 when one of them is not what would be written; the unit tests run it
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from posthouse.delivery import rules, shaping_file
from posthouse.delivery.rule_tables import KEYS
from posthouse.model.words import Pool
from posthouse.runtime import settings_source
from posthouse.web.api import openapi
from posthouse.web.api.message_schema import MESSAGE
from posthouse.web.api.problems import TYPES
from posthouse.web.api.reference import words
from posthouse.web.api.table import OPERATIONS

FOLDER = Path(__file__).parent.parent / "docs/reference"
SERVER = "http://127.0.0.1:8080"
_DEPENDS = {"hostname": "this machine's name", "data_dir": "see the description"}

_SETTINGS = """\
# Settings

Written by `make reference` from `src/posthouse/runtime/settings.py`; do not edit.

Settings come from one TOML file, `--config FILE`, else `$POSTHOUSE_CONFIG`, else `/etc/posthouse/posthouse.toml`, and over it
from the environment: the variable of `delivery.concurrency` is `POSTHOUSE_DELIVERY_CONCURRENCY`. In the environment lists and
tables are written as JSON. `posthouse config sample` prints a whole file, `posthouse config check` says what is wrong with
yours.
"""

_API = """\
# HTTP API

Written by `make reference` from the routing table of the API; do not edit. A running Posthouse shows the same at `/docs`, and as
OpenAPI 3.1 at `/openapi.json`.

{description}
"""

_SHAPING = """\
# Shaping

Written by `make reference` from `src/posthouse/delivery/shaping.toml`; do not edit.

What receivers put up with, as data: how many connections, how fast, over which TLS, and what to do when their refusals say that it
was too much. `posthouse shaping show DOMAIN` prints what holds for a domain and which table each number comes from,
`posthouse shaping check FILE` says what is wrong with a file of your own, `posthouse shaping warmup ADDRESS --backlog N` forecasts a
warm-up. A changed file is in force within seconds; one with mistakes is refused as a whole (`shaping.refused` in the log names
each), and the rules before it stay.
"""


def settings() -> str:
    """docs/reference/settings.md."""
    return "\n".join([_SETTINGS, *(_section(name, kind) for name, kind in settings_source.SECTIONS.items())])


def _section(name: str, kind: type[msgspec.Struct]) -> str:
    lines = [f"## {name}", "", str(kind.__doc__), "", "| setting | type | default | |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        described = msgspec.json.schema(field.type, schema_hook=lambda _: {"type": "string", "format": "path"})
        shown = _cell(described.get("description", ""))
        assert shown, f"{name}.{field.name} is not documented"
        lines.append(f"| `{field.name}` | {_cell(_type(described))} | {_cell(_default(field))} | {shown} |")
    return "\n".join([*lines, ""])


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if schema["type"] == "object":
        return f"table of {_type(schema['additionalProperties'])}"
    return f"{schema.get('format', schema['type'])}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" {least:g} to {most:g}"
    if "exclusiveMinimum" in schema:
        return f" over {schema['exclusiveMinimum']:g}"
    return f" from {least:g}" if least is not None else ""


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.name in _DEPENDS:
        return _DEPENDS[field.name]
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "" if value in (None, "", (), {}) else f"`{json.dumps(value)}`"


def api() -> str:
    """docs/reference/api.md."""
    document = openapi.document(OPERATIONS, SERVER)
    blocks = [_API.format(description=document["info"]["description"]), *_message()]
    for path, methods in document["paths"].items():
        blocks += [_operation(method.upper(), path, described) for method, described in methods.items()]
    return "\n".join([*blocks, *_problems()])


def shaping() -> str:
    """docs/reference/shaping.md."""
    shipped = shaping_file.shipped()
    book = rules.load(shipped)
    sites = {"everyone else": ("example.org", ()), "fixed routes": ("route:25", ())}
    sites = {each.name: (each.name, (each.suffixes[0],)) for each in book.providers} | sites
    numbers = [number for number in KEYS if number not in {"ipv4_only", "remember_broken_tls_s", "idle_s"}]
    lines = [f"| receiver | {' | '.join(KEYS[number] for number in numbers)} |", "|---" * (len(numbers) + 1) + "|"]
    for name, (site, hosts) in sites.items():
        limits = book.limits(Pool.TRANSACTIONAL, "", site, hosts)
        cells = [_shown(getattr(limits, number)) for number in numbers]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([_SHAPING, *lines, "", "## The file", "", "```toml", shipped.content.decode().rstrip(), "```", ""])


def _shown(value: object) -> str:
    return (", ".join(map(str, value)) if isinstance(value, tuple) else str(value or "")) or "no limit"


def _message() -> Iterator[str]:
    required = MESSAGE.get("required", ())
    yield "## A message\n\n| field | type | |\n|---|---|---|"
    for name, schema in MESSAGE["properties"].items():
        said = " Required." if name in required else ""
        yield f"| `{name}` | {_cell(words(schema))} | {_cell(schema.get('description', ''))}{said} |"
    yield ""


def _operation(method: str, path: str, described: Mapping[str, Any]) -> str:
    lines = [f"## {method} {path}", "", f"{described['summary']}. {described['description']}".strip(), ""]
    if described["parameters"]:
        lines += ["| parameter | in | type | |", "|---|---|---|---|"]
        for each in described["parameters"]:
            said = _cell(each.get("description", ""))
            lines.append(f"| `{each['name']}` | {each['in']} | {_cell(words(each['schema']))} | {said} |")
        lines.append("")
    for kind, media in described.get("requestBody", {}).get("content", {}).items():
        if (example := media.get("example")) is None:
            continue
        text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
        lines += [f"```{kind.rpartition('/')[2]}", text.rstrip(), "```", ""]
    for status, reply in described["responses"].items():
        if status < "300":
            lines.append(f"- **{status}** {reply['description']}{_answer(reply)}")
    refusals = ", ".join(status for status in described["responses"] if status >= "300")
    return "\n".join([*lines, f"- Problems: {refusals}.", ""])


def _answer(reply: Mapping[str, Any]) -> str:
    """The names of what is answered; their fields are in the OpenAPI document."""
    found = [
        ref.rpartition("/")[2] for media in reply.get("content", {}).values() for ref in _references(media["schema"])
    ]
    return f" (`{'`, `'.join(found)}`)" if found else ""


def _references(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"]
    for each in schema.get("anyOf", ()):
        yield from _references(each)


def _problems() -> Iterator[str]:
    yield "## Problems\n\n| status | title | what to do |\n|---|---|---|"
    for status, kind in TYPES.items():
        yield f"| {status} | {_cell(kind.title)} | {_cell(kind.advice)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Exit status."""
    written = {FOLDER / "settings.md": settings(), FOLDER / "api.md": api(), FOLDER / "shaping.md": shaping()}
    if "--check" not in sys.argv:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path, text in written.items():
            path.write_text(text)
        return 0
    stale = [path for path, text in written.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path.name} is not current: run make reference", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
