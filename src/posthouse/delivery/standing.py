"""How a process's sites are doing, in a person's words, for those who ask why a mail waits. Pure but for what a site knows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from posthouse.delivery.gate import Wait
from posthouse.delivery.site import Site
from posthouse.outbox.sites import SiteNote, Standing

# what has not changed is written down again after this; readers believe it for three times as long
REPEAT_S: Final = 10.0


def note_of(site: Site, now: datetime, monotonic: float, *, exhausted: bool) -> SiteNote:
    """One site; `exhausted`: the process has all the connections it may have."""
    standing, wait = site.standing(monotonic)
    if standing is Standing.FLOWING and exhausted and site.held > 0:
        wait = Wait(monotonic, "concurrency", "All connections this process may have are at work elsewhere.")
        standing = Standing.BUSY
    return SiteNote(
        site=site.name,
        standing=standing,
        rule=wait.rule if wait else _rule(site, standing),
        sentence=_sentence(site, standing, wait),
        until=now + timedelta(seconds=wait.until - monotonic) if wait and wait.until > monotonic else None,
        connections=site.connections,
        held=site.held,
        mails_per_s=round(site.mails_per_s(monotonic), 3),
    )


class Noted:
    """What was written down last, so that only news is written."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, Standing, str]] = {}

    def news(self, notes: Sequence[SiteNote], monotonic: float) -> list[SiteNote]:
        """The notes that say something else than before, or whose time has come again; by site, one lock order for all."""
        found = []
        for note in sorted(notes, key=lambda each: each.site):
            at, standing, rule = self._last.get(note.site, (float("-inf"), Standing.FLOWING, ""))
            if (standing, rule) != (note.standing, note.rule) or monotonic - at >= REPEAT_S:
                self._last[note.site] = (monotonic, note.standing, note.rule)
                found.append(note)
        present = {note.site for note in notes}
        for gone in self._last.keys() - present:
            del self._last[gone]
        return found


def _rule(site: Site, standing: Standing) -> str:
    return f"connections of {site.limits.rule}" if standing is Standing.BUSY else site.limits.rule


def _sentence(site: Site, standing: Standing, wait: Wait | None) -> str:
    if wait is not None:
        return wait.sentence
    if standing is Standing.BUSY:
        return f"All {site.connections} connections that may be open to {site.plan.site} are at work."
    if standing is Standing.SUSPENDED:
        return "This host has none of the addresses this pool sends from."
    return ""
