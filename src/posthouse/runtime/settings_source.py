"""Where settings come from: one TOML file, and over it the environment as POSTHOUSE_<SECTION>_<FIELD>.

In the environment text is taken as it is, numbers and booleans as in TOML, lists and tables as JSON. Every problem is reported
at once and names its key, an unknown key included. `to_environ` is the reverse: how a supervisor hands settings to its children.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args

import msgspec

from posthouse.runtime.reach import networks
from posthouse.runtime.settings import Settings, stream_address

PREFIX: Final = "POSTHOUSE_"
SYSTEM_FILE: Final = Path("/etc/posthouse/posthouse.toml")
_PUBLIC_URL: Final = re.compile(r"https?://[!-;=?-~]+")  # it stands in header fields between < and >
SECTIONS: Final = {field.name: field.type for field in msgspec.structs.fields(Settings)}


class SettingsError(Exception):
    """Settings that cannot be used; `problems` are sentences that each begin with the key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def default_file() -> Path | None:
    """The file that is read when none is named: $POSTHOUSE_CONFIG, else the system's if there is one."""
    if named := os.environ.get("POSTHOUSE_CONFIG"):
        return Path(named)
    return SYSTEM_FILE if SYSTEM_FILE.is_file() else None


def load(file: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from a TOML file under the environment. Raises SettingsError with everything that is wrong."""
    problems: list[str] = []
    given = _from_file(file, problems) if file else {}
    for section, field, text in _from_environ(environ, problems):
        given.setdefault(section, {})[field] = text
    made = {section: _section(section, fields, problems) for section, fields in given.items()}
    if problems:
        raise SettingsError(problems)
    settings = Settings(**made)
    if problems := list(_contradictions(settings)):
        raise SettingsError(problems)
    return settings


class _Text(str):
    """A value from the environment: to be read by the type of its field."""

    __slots__ = ()


def _from_file(file: Path, problems: list[str]) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"{file}: cannot be read: {error.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{file}: is not TOML: {error}")
        return {}
    found = {}
    for section, fields in document.items():
        if section not in SECTIONS or not isinstance(fields, dict):
            problems.append(f"{section}: is no section; there are {', '.join(SECTIONS)}")
        else:
            found[section] = fields
    return found


def _from_environ(environ: Mapping[str, str], problems: list[str]) -> Iterator[tuple[str, str, _Text]]:
    for variable, text in environ.items():
        section, _, field = variable.removeprefix(PREFIX).lower().partition("_")
        if not variable.startswith(PREFIX) or section not in SECTIONS or not field:
            continue
        if field in _fields(section):
            yield section, field, _Text(text)
        else:
            problems.append(f"{variable}: there is no setting {section}.{field}")


def _fields(section: str) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(SECTIONS[section])}


def _section(section: str, given: dict[str, Any], problems: list[str]) -> Any:  # noqa: ANN401 - one of the sections' structs
    known = _fields(section)
    made = {}
    for name, value in given.items():
        if name not in known:
            problems.append(f"{section}.{name}: there is no such setting")
            continue
        try:
            made[name] = _value(value, known[name].type)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            problems.append(f"{section}.{name}: {error}")
    return SECTIONS[section](**made)


def _value(value: object, wanted: Any) -> Any:  # noqa: ANN401 - any field's type
    if not isinstance(value, _Text):
        return msgspec.convert(value or None if _is_path(wanted) else value, wanted, dec_hook=_hook)
    text = str(value)
    if _is_path(wanted):
        return msgspec.convert(text or None, wanted, dec_hook=_hook)
    if text.startswith(("[", "{")):
        return msgspec.json.decode(text, type=wanted, dec_hook=_hook)
    return msgspec.convert(text, wanted, strict=False, dec_hook=_hook)


def _is_path(wanted: object) -> bool:
    bare = getattr(wanted, "__origin__", wanted)  # without Annotated
    return bare is Path or (isinstance(bare, UnionType) and Path in get_args(bare))


def _hook(wanted: type, value: object) -> object:
    if wanted is Path and isinstance(value, str) and value:
        return Path(value).expanduser().absolute()
    raise ValueError(f"expected a path, got {value!r}")


def _contradictions(settings: Settings) -> Iterator[str]:
    if (url := settings.web.public_url) and not _PUBLIC_URL.fullmatch(url):
        yield "web.public_url: must be an address like https://mail.example.com, a name in other letters as xn--"
    submission = settings.submission
    if (submission.tls_cert is None) != (submission.tls_key is None):
        yield "submission.tls_key: tls_cert and tls_key only make sense together"
    try:
        if (kek := settings.kek) is not None and len(kek) != 32:
            yield "server.kek: must be 32 octets in base64"
    except ValueError:
        yield "server.kek: is not base64"
    try:
        if scanner := settings.intake.malware_scanner:
            stream_address(scanner)
    except ValueError as error:
        yield f"intake.malware_scanner: {error}"
    try:
        networks(settings.webhooks.allowed_networks)
    except ValueError as error:
        yield f"webhooks.allowed_networks: {error}"
    try:
        networks(settings.web.proxies)
    except ValueError as error:
        yield f"web.proxies: {error}"
    for domain, hop in settings.delivery.routes.items():
        host, _, port = hop.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            yield f"delivery.routes.{domain}: {hop!r} is not host:port"


def to_environ(settings: Settings) -> dict[str, str]:
    """The environment that `load` turns into the same settings."""
    return {
        f"{PREFIX}{section}_{field}".upper(): _text(getattr(getattr(settings, section), field))
        for section in SECTIONS
        for field in _fields(section)
    }


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str | Path):
        return str(value)
    return msgspec.json.encode(value, enc_hook=str).decode()


def sample() -> str:
    """A whole settings file: every field with its explanation, commented out at its default."""
    blocks = []
    for section, kind in SECTIONS.items():
        lines = [f"# {kind.__doc__}", f"[{section}]"]
        for field in _fields(section).values():
            lines += _field_sample(field)
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _field_sample(field: msgspec.structs.FieldInfo) -> list[str]:
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return [f"# {_description(field)}", f"# {field.name} = {_toml(default)}"]


def _description(field: msgspec.structs.FieldInfo) -> str:
    texts = [meta.description for meta in getattr(field.type, "__metadata__", ()) if meta.description]
    assert texts, f"the setting {field.name} is not documented"
    return str(texts[-1])


def _toml(value: object) -> str:
    return msgspec.json.encode(
        "" if value is None else value, enc_hook=str
    ).decode()  # scalars, lists and {} are written alike
