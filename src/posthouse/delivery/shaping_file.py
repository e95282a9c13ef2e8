"""The shaping rules in force: the shipped file, the settings, and the operator's own file, read again when that changes."""

from importlib import resources
from pathlib import Path
from typing import Any, Final

from posthouse.delivery.rates import Rate
from posthouse.delivery.rule_tables import Key
from posthouse.delivery.rules import SETTINGS, SHIPPED, File, Rulebook, RulesError, Table, load
from posthouse.model.limits import SHAPING_FILE_OCTETS
from posthouse.model.words import Pool
from posthouse.runtime.log import Logger
from posthouse.runtime.settings import Delivery, PoolLimits, Settings

LOOK_S: Final = 2.0
_FIELDS: Final = {"connections": "connections_per_site", "mails_per_connection": "mails_per_connection", "tls": "tls"}

_Seen = tuple[int, int, int] | None


class ShapingFile:
    """`rulebook` is always one that works; `version` grows with every new one, so that what was made from the last can be made anew."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        """Raises RulesError when the rules are wrong from the start: better no delivery than a receiver flooded by a slip."""
        self._settings = settings
        self._own = settings.delivery.shaping_file
        self._log = log
        self._seen = _signature(self._own)
        self._look_at = float("-inf")
        self.version = 1
        self.rulebook = rules_of(settings)

    def maybe_reload(self, now: float) -> bool:
        """Looks at the operator's file, at most every two seconds of `now` (monotonic); True when there is a new rulebook.

        A file that cannot be used, or is gone, is told once, and the last good rules stay in force.
        """
        if self._own is None or now < self._look_at:
            return False
        self._look_at = now + LOOK_S
        seen = _signature(self._own)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.rulebook = rules_of(self._settings)
        except RulesError as error:
            self._log.error("shaping.refused", file=str(self._own), problems=list(error.problems))
            return False
        self.version += 1
        self._log.info("shaping.loaded", file=str(self._own), version=self.version)
        return True


def rules_of(settings: Settings) -> Rulebook:
    """All rules in force with these settings. Raises RulesError."""
    path = settings.delivery.shaping_file
    return load(shipped(), own_file(path) if path else None, said_in(settings))


def shipped() -> File:
    """The file that comes with Posthouse."""
    return File(SHIPPED, resources.files(__package__).joinpath(SHIPPED).read_bytes())


def own_file(path: Path) -> File:
    """An operator's file. Raises RulesError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return File(str(path), file.read(SHAPING_FILE_OCTETS + 1))
    except OSError as error:
        raise RulesError([f"{path}: cannot be read: {error.strerror or error}"]) from error


def said_in(settings: Settings) -> list[Table]:
    """What settings say about receivers: those of [delivery] that are not as they come, and those of single pools."""
    common, usual = settings.delivery, Delivery()
    said = {number: getattr(common, name) for number, name in _FIELDS.items()}
    changed = {number: value for number, value in said.items() if value != getattr(usual, _FIELDS[number])}
    sections = [("", changed), *((pool, _said_of(getattr(settings, pool))) for pool in Pool)]
    return [
        Table(Key(kind, pool=pool), SETTINGS, numbers)
        for pool, numbers in sections
        for kind in ("default", "route")  # a setting holds on fixed routes too
        if numbers
    ]


def _said_of(own: PoolLimits) -> dict[str, Any]:
    """What one pool's section says; 0 says nothing."""
    said = {number: getattr(own, name, None) for number, name in _FIELDS.items()}
    if own.mails_per_second:
        said["mail_rates"] = (_per_second(own.mails_per_second),)
    return {number: value for number, value in said.items() if value}


def _per_second(mails: float) -> Rate:
    """A rate with a whole number of mails, however few a second are meant."""
    return Rate(int(mails), 1.0) if mails == int(mails) else Rate(max(1, round(mails * 3_600)), 3_600.0)


def _signature(file: Path | None) -> _Seen:
    """What changes when a file is written or replaced; None when there is none."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
