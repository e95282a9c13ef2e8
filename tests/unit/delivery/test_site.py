"""The paths of one site: who takes what, what they share with the sites beside, and how all that is told."""

import asyncio
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest
from tests.scripted_desk import ANN, BEN, SITE, ScriptedDesk, limits, mail, mails, play, until

from posthouse.delivery.backoff import Action, Do, Said
from posthouse.delivery.gate import Gate
from posthouse.delivery.shaping import RESERVED
from posthouse.delivery.site import Site
from posthouse.model.outcome import Reply, Stage
from posthouse.outbox.sites import Standing

EVE = UUID(int=0xE)
ONE = limits(connections=1)
SECOND = replace(SITE, site="mx.other.test")
SUSPEND = Action("volume", Do.SUSPEND, ("[TSS04]",), "yahoo in shaping.toml", for_s=600)
FOUR_SOURCES = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")


def suspend(gate: Gate, now: float) -> None:
    assert gate.refused(Said(Reply(421, None, "[TSS04]"), Stage.DOT, 1, 0.5), now)


async def dispatched(desk: ScriptedDesk, site: Site, shares: dict[UUID, int], for_s: float) -> Counter[UUID]:
    """What each of these workspaces gets through a site in so many seconds, when none of them ever has enough."""
    before, until_s = len(desk.outcomes), desk.monotonic() + for_s
    while desk.monotonic() < until_s:
        if room := site.room(4):
            for workspace_id, most in site.allot(shares, 4, room).items():
                site.add(mails(most, 4, workspace_id, share=shares[workspace_id]))
        await asyncio.sleep(0.1)
    return Counter(held.mail.workspace_id for held, _ in desk.outcomes[before:])


@pytest.mark.parametrize(("shares", "expected"), [((1, 1), 0.5), ((1, 3), 0.25), ((1, 9), 0.1)])
def test_workspaces_that_never_have_enough_share_a_site_by_their_weights(
    shares: tuple[int, int], expected: float
) -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(ONE))
        served = await dispatched(desk, site, {ANN: shares[0], BEN: shares[1]}, 120.0)
        assert served[ANN] / served.total() == pytest.approx(expected, abs=0.03)

    play(scene)


def test_where_less_may_be_held_than_there_are_workspaces_each_gets_its_turn() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        rules = limits(connections=1, rate="1/s")
        site = desk.site(desk.path(rules), rules=rules)
        served = await dispatched(desk, site, {UUID(int=number): 1 for number in range(1, 11)}, 300.0)
        assert len(served) == 10
        assert min(served.values()) > 20

    play(scene)


def test_sharing_a_site_costs_none_of_its_rate() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(ONE))
        alone = (await dispatched(desk, site, {ANN: 1}, 60.0)).total()
        together = (await dispatched(desk, site, {ANN: 1, BEN: 1}, 60.0)).total()
        assert together == pytest.approx(alone, rel=0.05)

    play(scene)


def test_a_later_9_finds_a_place_and_goes_next_however_much_is_held() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(ONE))
        site.add(mails(site.room(1), 1))
        assert site.room(1) == 0
        assert site.room(9) == RESERVED
        await until(lambda: desk.courier.sent)
        urgent = mail(9)
        site.add([urgent])
        await until(lambda: site.quiet)
        assert desk.courier.addresses.index(urgent.mail.address) <= 2

    play(scene)


def test_new_mail_is_spread_over_the_sources_and_a_retry_goes_by_its_own() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(*(desk.path(ONE, source=source) for source in FOUR_SOURCES))
        site.add(mails(16))
        await until(lambda: len(desk.courier.sent) == 16)
        assert set(Counter(sent.source for sent in desk.courier.sent).values()) == {4}
        again = [mail(attempt=2 + number, source=FOUR_SOURCES[3]) for number in range(5)]
        site.add(again)
        await until(lambda: len(desk.courier.sent) == 21)
        assert {sent.source for sent in desk.courier.sent[16:]} == {FOUR_SOURCES[3]}

    play(scene)


def test_a_retry_whose_source_is_suspended_or_gone_goes_by_another() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        rules = limits(connections=1, actions=(SUSPEND,))
        first, second = (desk.path(rules, source=source) for source in FOUR_SOURCES[:2])
        site = desk.site(first, second)
        suspend(first.gate, desk.monotonic())
        site.add([mail(attempt=2, source=FOUR_SOURCES[0]), mail(attempt=2, source="198.51.100.9"), mail()])
        await until(lambda: len(desk.courier.sent) == 3)
        assert {sent.source for sent in desk.courier.sent} == {FOUR_SOURCES[1]}
        assert site.stopped(desk.monotonic()) is None

    play(scene)


def test_a_path_that_is_suspended_touches_no_other() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        rules = limits(connections=1, actions=(SUSPEND,))
        first, second = (desk.path(rules, source=source) for source in FOUR_SOURCES[:2])
        beside = desk.path(rules, source=FOUR_SOURCES[0], plan=SECOND)
        site, other = desk.site(first, second), desk.site(beside, plan=SECOND)
        suspend(first.gate, desk.monotonic())
        other.add(mails(5))
        site.add(mails(5))
        await until(lambda: len(desk.courier.sent) == 10)
        by = Counter((sent.site, sent.source) for sent in desk.courier.sent)
        assert by == {(SITE.site, FOUR_SOURCES[1]): 5, (SECOND.site, FOUR_SOURCES[0]): 5}

    play(scene)


def test_sites_of_one_provider_keep_its_limits_together() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        rules = limits(connections=3, rate="5/s", group="google", provider="google")
        gate = Gate(rules, desk.monotonic())
        plans = [replace(SITE, site=f"mx{number}.test") for number in range(4)]
        sites = [desk.site(desk.path(rules, plan=plan, gate=gate), plan=plan, rules=rules) for plan in plans]
        for site in sites:
            site.add(mails(20))
        await until(lambda: len(desk.courier.sent) == 80)
        assert desk.courier.most_open <= 3
        assert all(number <= 5 + sent.at * 5 for number, sent in enumerate(desk.courier.sent))
        assert desk.courier.sent[-1].at < (80 - 5) / 5 + 5.0

    play(scene)


def test_a_busy_site_leaves_the_other_sites_of_its_provider_their_turn() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        rules = limits(connections=2, group="google", provider="google")
        gate = Gate(rules, desk.monotonic())
        busy = desk.site(desk.path(rules, gate=gate))
        other = desk.site(desk.path(rules, plan=SECOND, gate=gate), plan=SECOND)
        busy.add(mails(3_000, 1))
        await until(lambda: busy.connections == 2)
        urgent = mail(9)
        other.add([urgent])
        began = desk.monotonic()
        await until(lambda: urgent.mail.address in desk.courier.addresses, 600)
        assert desk.monotonic() - began < 5.0
        assert desk.courier.most_open <= 2

    play(scene)


def test_an_idle_session_makes_room_for_another_site_of_its_provider() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        rules = limits(connections=2, group="microsoft365", provider="microsoft365")
        gate = Gate(rules, desk.monotonic())
        plans = [replace(SITE, site=f"customer-{number}.mail.protection.test") for number in range(40)]
        for plan in plans:
            desk.site(desk.path(rules, plan=plan, gate=gate), plan=plan, rules=rules).add([mail()])
        await until(lambda: len(desk.courier.sent) == 40, 600)
        assert desk.courier.most_open <= 2
        assert desk.monotonic() < 40 / 2 * 0.5  # a tenth of a second each; idle sessions are kept for five

    play(scene)


def test_an_idle_session_makes_room_for_another_receiver_when_the_process_has_no_more() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.sessions = 2
        for number in range(40):
            plan = replace(SITE, site=f"mx{number}.test")
            desk.site(desk.path(ONE, plan=plan), plan=plan).add([mail()])
        await until(lambda: len(desk.courier.sent) == 40, 600)
        assert desk.courier.most_open <= 2
        assert desk.monotonic() < 40 / 2 * 0.5

    play(scene)


def test_a_9_gets_a_session_of_a_process_that_has_none_left() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.sessions = 2
        busy = desk.site(desk.path(limits(connections=2)))
        other = desk.site(desk.path(ONE, plan=SECOND), plan=SECOND)
        busy.add(mails(1_000, 1))
        await until(lambda: busy.connections == 2)
        urgent = mail(9)
        other.add([urgent])
        began = desk.monotonic()
        await until(lambda: urgent.mail.address in desk.courier.addresses, 600)
        assert desk.monotonic() - began < 5.0

    play(scene)


def test_new_rules_and_servers_hold_for_what_is_already_held() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(limits(connections=4)))
        site.add(mails(400))
        await until(lambda: site.connections == 4)
        site.renew(SECOND, limits(connections=2, mails_per_connection=5), desk.monotonic())
        dialled = len(desk.courier.dials)
        await until(lambda: len(desk.courier.dials) > dialled + 4)
        assert site.connections == 2
        assert desk.courier.sent[-1].site == SECOND.site

    play(scene)


def test_a_retired_site_takes_nothing_more() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(ONE))
        site.retire()
        assert site.room(9) == 0

    play(scene)


def test_a_site_that_is_ours_after_all_keeps_its_connections_for_more() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(ONE))
        site.retire()
        site.take_up()
        assert site.room(9) > 0
        site.add([mail()])
        await until(lambda: len(desk.outcomes) == 1)
        await asyncio.sleep(1.0)
        assert site.connections == 1

    play(scene)


def test_how_a_site_stands_follows_from_its_paths() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        rules = limits(connections=1, actions=(SUSPEND,), rate="6/min")
        first, second = (desk.path(rules, source=source) for source in FOUR_SOURCES[:2])
        site = desk.site(first, second, rules=rules)
        now = desk.monotonic()
        assert site.standing(now) == (Standing.FLOWING, None)
        first.gate.take(now)
        assert site.standing(now) == (Standing.FLOWING, None), "the other still goes"
        second.gate.take(now)
        standing, wait = site.standing(now)
        assert standing is Standing.LIMITED
        assert wait is not None
        assert wait.rule == "there in shaping.toml"
        suspend(first.gate, now)
        assert site.standing(now)[0] is Standing.LIMITED, "the other is only slow"
        suspend(second.gate, now + 1)
        standing, wait = site.standing(now + 1)
        assert standing is Standing.SUSPENDED
        assert wait is not None
        assert wait.until == pytest.approx(now + 660)
        assert site.stopped(now + 660) is None

    play(scene)


def test_a_site_is_busy_when_all_its_connections_are_at_work_and_more_waits() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site(desk.path(ONE))
        site.add(mails(2))
        await asyncio.sleep(0.05)
        assert site.standing(desk.monotonic()) == (Standing.BUSY, None)
        await until(lambda: site.held == 0)
        assert site.standing(desk.monotonic()) == (Standing.FLOWING, None)

    play(scene)


def test_a_site_without_any_source_is_suspended_and_takes_nothing() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        site = desk.site()
        assert site.room(9) == 0
        assert site.quiet
        assert site.standing(0.0) == (Standing.SUSPENDED, None)

    play(scene)
