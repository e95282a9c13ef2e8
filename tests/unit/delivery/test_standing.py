"""What is written down of a site for those who ask why a mail waits."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scripted_desk import START, ScriptedDesk, limits, mails, play, refused, until

from posthouse.delivery.backoff import Action, Do, Said
from posthouse.delivery.site import Site
from posthouse.delivery.standing import REPEAT_S, Noted, note_of
from posthouse.model.outcome import Reply, Stage
from posthouse.outbox.sites import SiteNote, Standing

SUSPEND = Action("volume", Do.SUSPEND, ("[TSS04]",), "yahoo in shaping.toml", for_s=600)
RULES = limits(connections=1, actions=(SUSPEND,), connect_failures=1)


def note(desk: ScriptedDesk, site: Site, *, exhausted: bool = False) -> SiteNote:
    return note_of(site, desk.now(), desk.monotonic(), exhausted=exhausted)


def test_a_site_at_work_tells_how_much_it_holds_and_how_fast_it_goes() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(limits(connections=1, rate="5/s")), rules=limits(connections=1, rate="5/s"))
        site.add(mails(3))
        await until(lambda: desk.courier.sent)
        told = note(desk, site)
        assert (told.site, told.connections, told.held, told.until) == ("mx.there.test", 1, 1, None)
        assert 0 < told.mails_per_s <= 5.0

    play(scene)


def test_a_busy_site_names_the_limit_of_its_connections() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(RULES), rules=RULES)
        site.add(mails(5))
        await asyncio.sleep(0.05)
        told = note(desk, site)
        assert (told.standing, told.rule) == (Standing.BUSY, "connections of there in shaping.toml")
        assert told.sentence == "All 1 connections that may be open to mx.there.test are at work."

    play(scene)


def test_a_limited_site_names_its_rate_and_when_the_next_may_go() -> None:
    rules = limits(connections=1, rate="1/min")

    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(rules), rules=rules)
        site.add(mails(2))
        await until(lambda: desk.courier.sent)
        told = note(desk, site)
        assert (told.standing, told.rule) == (Standing.LIMITED, "there in shaping.toml")
        assert told.sentence == "At most 1/min may go there."
        assert told.until == START + timedelta(seconds=60)

    play(scene)


def test_a_suspended_site_quotes_the_receiver_and_says_until_when() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(RULES)
        site = desk.site(path, rules=RULES)
        path.gate.refused(Said(Reply(421, "4.7.0", "[TSS04] deferred"), Stage.DOT, 1, 0.0), 0.0)
        told = note(desk, site)
        assert (told.standing, told.rule) == (Standing.SUSPENDED, '"volume" of yahoo in shaping.toml')
        assert told.sentence == "The receiver said 421 4.7.0 [TSS04] deferred; nothing is sent there for 10min."
        assert told.until == START + timedelta(seconds=600)

    play(scene)


def test_an_unreachable_site_says_what_happened_when_connecting() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(RULES)
        site = desk.site(path, rules=RULES)
        site.add(mails(1))
        await until(lambda: desk.outcomes)
        told = note(desk, site)
        assert (told.standing, told.rule) == (Standing.SUSPENDED, "connect_failures of there in shaping.toml")
        assert told.sentence == "The last attempt to connect failed: 451 4.4.1 mx.there.test: refused."
        assert told.until is not None
        assert (told.until - START).total_seconds() == pytest.approx(15, abs=0.1)

    play(scene, dial=lambda _: refused(451, "mx.there.test: refused", "4.4.1"))


def test_a_site_whose_sources_are_all_gone_says_so() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        told = note(desk, desk.site())
        assert (told.standing, told.until) == (Standing.SUSPENDED, None)
        assert told.sentence == "This host has none of the addresses this pool sends from."

    play(scene)


def test_mail_that_waits_for_a_connection_of_the_process_is_told_so() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.sessions = 0
        site = desk.site(desk.path(RULES), rules=RULES)
        assert note(desk, site, exhausted=True).standing is Standing.FLOWING, "nothing waits for one"
        site.add(mails(2))
        told = note(desk, site, exhausted=True)
        assert (told.standing, told.rule, told.until) == (Standing.BUSY, "concurrency", None)
        assert told.sentence == "All connections this process may have are at work elsewhere."

    play(scene)


FLOWING = SiteNote("a.test", Standing.FLOWING, "default", "", None, 1, 5, 1.0)
BUSY = replace(FLOWING, standing=Standing.BUSY)
OTHER = replace(FLOWING, site="b.test")


@pytest.mark.parametrize(
    ("notes", "at", "expected"),
    [
        ([FLOWING], 1.0, []),
        ([replace(FLOWING, held=9)], 1.0, []),
        ([BUSY], 1.0, [BUSY]),
        ([replace(FLOWING, rule="google")], 1.0, [replace(FLOWING, rule="google")]),
        ([OTHER, FLOWING], 1.0, [OTHER]),
        ([OTHER, BUSY], 1.0, [BUSY, OTHER]),
        ([FLOWING], REPEAT_S, [FLOWING]),
    ],
)
def test_only_what_is_new_is_written_down_and_now_and_then_all_of_it(
    notes: list[SiteNote], at: float, expected: list[SiteNote]
) -> None:
    noted = Noted()
    assert noted.news([FLOWING], 0.0) == [FLOWING]
    assert noted.news(notes, at) == expected


def test_a_site_that_was_gone_is_written_down_anew() -> None:
    noted = Noted()
    noted.news([FLOWING], 0.0)
    assert noted.news([], 1.0) == []
    assert noted.news([FLOWING], 2.0) == [FLOWING]
