"""What the pages say, in the reader's language: catalogues, and dates and numbers the way the language writes them.

The English sentence in a template or handler is the key of the catalogue (gettext). `en-XA` is the pseudo-language translators
and testers use: every sentence that went through the catalogue comes back accented and in ⟦brackets⟧, so what was forgotten
stands out.
"""

import gettext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, dates, numbers
from babel.messages.pofile import read_po

LANGUAGES: Final = {"en": "English", "da": "Dansk"}
PSEUDO: Final = "en-XA"
_ACCENTED: Final = str.maketrans("AEIOUYaeiouyCcNn", "ÂÊÎÔÛŶâêîôûŷÇçÑñ")


class _Catalogue(gettext.NullTranslations):
    """The sentences of one language, read from its .po file: no compiled file to keep in step."""

    def __init__(self, code: str) -> None:
        super().__init__()
        with files("posthouse.web.pages").joinpath("locale", f"{code}.po").open("rb") as file:
            catalogue = read_po(file, locale=code)
        self._one: dict[str, str] = {}
        self._many: dict[str, tuple[str, ...]] = {}
        for message in catalogue:
            if isinstance(message.id, str) and isinstance(message.string, str) and message.string:
                self._one[message.id] = message.string
            elif (
                isinstance(message.id, (list, tuple))
                and isinstance(message.string, (list, tuple))
                and all(message.string)
            ):
                self._many[message.id[0]] = tuple(message.string)

    def gettext(self, message: str) -> str:
        return self._one.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        forms = self._many.get(msgid1, (msgid1, msgid2))
        return forms[0] if n == 1 else forms[1]  # Danish and English count alike: one, or not one


class _Pseudo(gettext.NullTranslations):
    """Every sentence accented and in brackets; placeholders stay."""

    def gettext(self, message: str) -> str:
        parts = message.split("{")
        tail = ["{" + name + "}" + rest.translate(_ACCENTED) for name, _, rest in (p.partition("}") for p in parts[1:])]
        return "⟦" + parts[0].translate(_ACCENTED) + "".join(tail) + "⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    if code == PSEUDO:
        return _Pseudo()
    return gettext.NullTranslations() if code == "en" else _Catalogue(code)


def choose(accept_language: str) -> str:
    """The first language of an Accept-Language header (RFC 9110 12.5.4) that we speak, in the order written; else English."""
    for wanted in accept_language.split(","):
        tag = wanted.partition(";")[0].strip()
        if tag == PSEUDO:
            return PSEUDO
        if tag.partition("-")[0].lower() in LANGUAGES:
            return tag.partition("-")[0].lower()
    return "en"


def zone(name: str) -> ZoneInfo:
    """The IANA time zone of that name, UTC if there is none (the name comes from a cookie)."""
    try:
        return ZoneInfo(name) if name else ZoneInfo("UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


@dataclass(frozen=True)
class Speech:
    """One reader's language, time zone and present moment: all a page needs to put values into words."""

    code: str
    zone: ZoneInfo
    now: datetime

    @cached_property
    def locale(self) -> Locale:
        """How babel knows the language; day before month in English too, as most of the world writes it."""
        return Locale.parse("en_GB" if self.code.startswith("en") else self.code)

    def say(self, message: str, **values: object) -> str:
        """The sentence in the reader's language, `{name}` places filled."""
        text = _catalogue(self.code).gettext(message)
        return text.format(**values) if values else text

    def count(self, one: str, many: str, n: int, **values: object) -> str:
        """The sentence for `n` things; `{n}` is the number as the language writes it."""
        return _catalogue(self.code).ngettext(one, many, n).format(n=self.number(n), **values)

    def number(self, value: float) -> str:
        """12,345 or 12.345."""
        return numbers.format_decimal(value, locale=self.locale)

    def percent(self, part: int, whole: int) -> str:
        """Share of the whole with one decimal, an en dash when there is no whole."""
        return numbers.format_percent(part / whole, "#,##0.0 %", locale=self.locale) if whole else "–"

    def size(self, octets: int) -> str:
        """A size in the unit that keeps it short: 812 B, 14.2 kB, 3.1 MB."""
        if octets < 1_000:
            return f"{octets} B"
        value, unit = (octets / 1e3, "kB") if octets < 1e6 else (octets / 1e6, "MB")
        return f"{numbers.format_decimal(value, '#,##0.#', locale=self.locale)} {unit}"

    def ago(self, moment: datetime) -> str:
        """How long ago, or how soon: "3 minutes ago", "in 2 hours"; the date once that is more than a week off."""
        distance = moment - self.now
        if abs(distance) > timedelta(days=7):
            return self.day(moment)
        return dates.format_timedelta(distance, add_direction=True, threshold=1.2, locale=self.locale)

    def short_ago(self, moment: datetime) -> str:
        """The same for a narrow column: "3m ago" as the language abbreviates it."""
        distance = moment - self.now
        if abs(distance) > timedelta(days=7):
            return self.day(moment)
        return dates.format_timedelta(distance, add_direction=True, threshold=1.2, format="narrow", locale=self.locale)

    def lasted(self, start: datetime, end: datetime) -> str:
        """A duration: milliseconds below one second, seconds below ten, else words."""
        seconds = (end - start).total_seconds()
        if seconds < 1:
            return f"{numbers.format_decimal(round(seconds * 1000), locale=self.locale)} ms"
        if seconds < 60:
            return f"{numbers.format_decimal(seconds, '0.0', locale=self.locale)} s"
        return dates.format_timedelta(end - start, locale=self.locale)

    def duration(self, length: timedelta) -> str:
        """About so long, in words: "3 minutes"."""
        return dates.format_timedelta(length, threshold=1.5, locale=self.locale)

    def exact(self, moment: datetime) -> str:
        """The moment to the second, with its zone."""
        local = moment.astimezone(self.zone)
        return f"{dates.format_datetime(local, 'd MMM y HH:mm:ss', locale=self.locale)} {local.tzname()}"

    def clock(self, moment: datetime) -> str:
        """Hours and minutes today, with the day on another day: what a sentence about the near future says."""
        local = moment.astimezone(self.zone)
        pattern = "HH:mm" if local.date() == self.now.astimezone(self.zone).date() else "d MMM HH:mm"
        return dates.format_datetime(local, pattern, locale=self.locale)

    def day(self, moment: datetime) -> str:
        """The date, the year only when it is another one."""
        local = moment.astimezone(self.zone)
        same = local.year == self.now.astimezone(self.zone).year
        return dates.format_date(local.date(), "d MMM" if same else "d MMM y", locale=self.locale)

    def iso(self, moment: datetime) -> str:
        """For `<time datetime>` and URLs."""
        return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
