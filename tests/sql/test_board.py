"""What a process remembers of its sites while nothing is to be done for them, and what it tells of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.corridor import MakeProcess
from tests.lab_servers import until
from tests.scripted_desk import SITE, Receiver, ScriptedDesk, limits, mails

from posthouse.delivery.backoff import RECOVER_S, Action, Do, Said
from posthouse.delivery.board import Board
from posthouse.delivery.rates import parse
from posthouse.delivery.shaping_file import ShapingFile
from posthouse.model.outcome import Reply, Stage
from posthouse.model.words import Pool
from posthouse.outbox import sites
from posthouse.outbox.sites import Standing, Whereabouts, Word
from posthouse.runtime.process import Process

SOURCES = ("127.0.0.2", "127.0.0.3")
GROUP = SITE.site


@dataclass
class Office:
    """A board and the desk before it."""

    process: Process
    desk: ScriptedDesk
    board: Board

    async def told(self, *domains: str) -> Whereabouts:
        await self.board.note()
        async with self.process.pool.acquire() as connection:
            return await sites.whereabouts(connection, domains, self.process.clock.now())


@pytest.fixture
def office(make_process: MakeProcess) -> Callable[..., Office]:
    """`office(*sources)`: one of the marketing pool."""

    def make(*sources: str) -> Office:
        process = make_process("marketing", marketing={"sources": sources})
        desk = ScriptedDesk(Receiver(seconds=0.01))
        world = cast("Any", desk)
        world.owned = SimpleNamespace(should=lambda _: True)
        world.exhausted = False
        shaping = ShapingFile(process.settings, process.log)
        return Office(process, desk, Board(process, Pool.MARKETING, world, shaping))

    return make


async def test_a_slow_rate_is_kept_although_the_site_is_idle_between_two_mails(office: Callable[..., Office]) -> None:
    here, rules = office(), limits(rate="1/min")
    now = here.process.clock.monotonic()
    here.board.site(SITE, rules, "there.test").paths[0].gate.take(now)
    here.board.forget_idle(())
    wait = here.board.site(SITE, rules, "there.test").paths[0].gate.wait(here.process.clock.monotonic())
    assert wait is not None
    assert wait.until - now == pytest.approx(60, abs=1)


async def test_a_push_back_is_remembered_although_the_site_is_idle_meanwhile(office: Callable[..., Office]) -> None:
    here, rules = office(), limits(connections=8)
    now = here.process.clock.monotonic()
    said = Said(Reply(421, None, "slow down"), Stage.MAIL, 8, 0.5)
    here.board.site(SITE, rules, "there.test").paths[0].gate.refused(said, now)
    here.board.forget_idle(())
    assert here.board.site(SITE, rules, "there.test").paths[0].gate.connections(now) == 4


async def test_a_site_with_nothing_to_do_and_nothing_to_remember_is_forgotten(office: Callable[..., Office]) -> None:
    here = office()
    here.board.site(SITE, limits(), "there.test")
    assert here.board.forget_idle({GROUP}) == {GROUP}
    assert here.board.forget_idle(()) == set()
    assert not here.board.sites


async def test_a_source_the_host_lacks_is_left_out_until_it_is_back(office: Callable[..., Office]) -> None:
    here = office(*SOURCES)
    assert [path.source for path in here.board.site(SITE, limits(), "there.test").paths] == list(SOURCES)
    here.board.source_missing(SOURCES[0])
    assert [path.source for path in here.board.site(SITE, limits(), "there.test").paths] == [SOURCES[1]]


async def test_a_pool_that_lost_all_its_sources_keeps_its_mail_and_says_why(office: Callable[..., Office]) -> None:
    here = office(SOURCES[0])
    here.board.source_missing(SOURCES[0])
    assert here.board.site(SITE, limits(), "there.test").room(9) == 0
    assert here.board.forget_idle({GROUP}) == {GROUP}
    note = (await here.told("there.test")).notes[Pool.MARKETING, "there.test"]
    assert note.standing is Standing.SUSPENDED
    assert "none of the addresses" in note.sentence
    assert here.board.forget_idle(()) == set()


async def test_a_site_is_not_forgotten_while_a_session_of_a_source_that_left_is_at_work(
    office: Callable[..., Office],
) -> None:
    here = office(*SOURCES)
    here.desk.courier.seconds = 0.5
    site = here.board.site(SITE, limits(), "there.test")
    site.paths[0].add(mails(1))
    await until(lambda: here.desk.courier.begun == 1)
    here.board.source_missing(SOURCES[0])
    here.board.site(SITE, limits(), "there.test")
    assert here.board.forget_idle(()) == {GROUP}, "another process would open its own connections beside this one"
    for path in site.paths:
        await path.finish(2.0)


async def test_two_domains_of_one_site_with_rules_of_their_own_are_told_apart(office: Callable[..., Office]) -> None:
    here = office()
    here.board.site(SITE, limits(connections=1), "there.test").add(mails(3))
    own = limits(connections=1, group="vip.test", rule="vip.test in shaping.toml")
    here.board.site(SITE, own, "vip.test").add(mails(3))
    notes = (await here.told("there.test", "vip.test")).notes
    rules = {domain: note.rule for (_, domain), note in notes.items()}
    assert "vip.test in shaping.toml" in rules["vip.test"]
    assert "vip.test" not in rules["there.test"]
    for site in here.board.sites:
        site.empty()
        await site.finish(2.0)


async def test_what_a_receiver_said_holds_for_the_next_owner_of_its_sites(office: Callable[..., Office]) -> None:
    pause = Action("pause", Do.SUSPEND, ("come back later",), "there in shaping.toml", for_s=7_200.0)
    slow = Action(
        "slow", Do.SLOW, ("too fast",), "there in shaping.toml", for_s=900.0, rate=parse("20/min"), connections=1
    )
    first, rules = office(*SOURCES), limits(actions=(pause, slow))
    told = dict(zip(SOURCES, ("come back later", "too fast"), strict=True))
    for path in first.board.site(SITE, rules, "there.test").paths:
        said = Said(Reply(421, None, told[path.source]), Stage.MAIL, 1, 0.0)
        path.gate.refused(said, first.process.clock.monotonic())
    await first.board.note()

    second = office(*SOURCES)
    await second.board.inherit({GROUP})
    now = second.process.clock.monotonic()
    paused, slowed = (path.gate for path in second.board.site(SITE, rules, "there.test").paths)
    suspension = paused.suspended(now)
    assert suspension is not None
    assert suspension.until - now == pytest.approx(7_200, abs=5)
    assert "come back later" in suspension.sentence
    assert slowed.suspended(now) is None
    assert (slowed.connections(now), slowed.mails_per_s(now)) == (1, pytest.approx(1 / 3))

    async with first.process.pool.acquire() as connection:
        assert await sites.lift(connection, GROUP) == 2
    for here in (first, second):
        await here.board.note()
        (site,), now = here.board.sites, here.process.clock.monotonic()
        assert site.stopped(now) is None
        assert [path.gate.effect for path in site.paths] == [None, None]
        assert [path.gate.connections(now) for path in site.paths] == [1, 1]
        assert [path.gate.connections(now + 2.5 * RECOVER_S) for path in site.paths] == [3, 3]
    await second.board.note()
    async with first.process.pool.acquire() as connection:
        assert await sites.all_words(connection, first.process.clock.now()) == []


async def test_what_a_receiver_said_is_forgotten_when_its_time_is_over(office: Callable[..., Office]) -> None:
    here = office()
    over = here.process.clock.now() - timedelta(days=3)
    word = Word("", GROUP, True, "there in shaping.toml", "Come back later.", over, "", None)
    async with here.process.pool.acquire() as connection:
        await sites.keep_words(connection, Pool.MARKETING, [word])
        assert await sites.words_in_force(connection, Pool.MARKETING, [GROUP], here.process.clock.now()) == []
        await sites.forget(connection, here.process.clock.now())
        assert await connection.fetchval("SELECT count(*) FROM receiver_words") == 0
