"""One way to a site: order, pace and number of sessions, what refusals change, and what never travels."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scripted_desk import ANN, BEN, START, ScriptedDesk, limits, mail, mails, play, refused, until

from posthouse.delivery.backoff import Action, Do
from posthouse.delivery.courier import ConnectFailure, SitePolicy
from posthouse.delivery.rates import parse
from posthouse.delivery.shaping import HOLD_LEAST, RESERVED
from posthouse.model.outcome import Outcome, Reply, Stage

ONE = limits(connections=1)
LATER = Reply(451, "4.7.1", "later")
GOODBYE = Reply(421, "4.7.0", "slow down")


def test_higher_priority_goes_first_and_equal_priority_in_order() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        held = [mail(priority) for priority in (3, 9, 0, 4, 7) for _ in range(2)]
        desk.path(ONE).add(held)
        await until(lambda: len(desk.outcomes) == 10)
        order = sorted(held, key=lambda one: -one.mail.priority)
        assert desk.courier.addresses == [one.mail.address for one in order]

    play(scene)


def test_a_later_9_overtakes_mail_already_held() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=2))
        path.add(mails(20, 1))
        await until(lambda: len(desk.outcomes) == 6)
        urgent = mail(9)
        path.add([urgent])
        await until(lambda: path.quiet)
        assert desk.courier.addresses.index(urgent.mail.address) < 6 + 1 + 2  # next, or next but the two under way

    play(scene)


def test_places_are_kept_for_what_is_more_urgent_than_all_that_is_held() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(ONE)
        path.add(mails(HOLD_LEAST, 1))
        assert (path.room(1), path.room(9)) == (0, RESERVED)
        path.add(mails(RESERVED, 9))
        assert (path.room(1), path.room(9)) == (0, 0)
        assert path.held == HOLD_LEAST + RESERVED
        path.empty()

    play(scene)


@pytest.mark.parametrize(("share", "expected"), [(1, {ANN: 20, BEN: 20}), (3, {ANN: 10, BEN: 30})])
def test_workspaces_share_a_path_by_their_weights(share: int, expected: dict[object, int]) -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(ONE)
        whose = {}
        for held in (*mails(200, 4, ANN), *mails(200, 4, BEN, share=share)):
            whose[held.mail.address] = held.mail.workspace_id
            path.add([held])
        await until(lambda: len(desk.courier.sent) == 40)
        served = Counter(whose[address] for address in desk.courier.addresses)
        assert all(abs(served[who] - most) <= 1 for who, most in expected.items())
        path.empty()

    play(scene)


def test_a_workspace_with_ten_mails_does_not_wait_for_one_with_ten_thousand() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(ONE)
        path.add(mails(10_000, 4, ANN))
        few = mails(10, 4, BEN)
        path.add(few)
        addresses = {held.mail.address for held in few}
        await until(lambda: addresses <= set(desk.courier.addresses))
        assert len(desk.courier.sent) <= 2 * 10 + 1
        path.empty()

    play(scene)


@pytest.mark.parametrize(("seconds", "expected"), [(0.001, 1), (0.2, 4), (30.0, 4)])
def test_connections_follow_the_load_and_never_exceed_the_gate(seconds: float, expected: int) -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=4))
        path.add(mails(20))
        await until(lambda: path.held == 0, 300)
        assert desk.courier.most_open == expected

    play(scene, seconds=seconds)


def test_a_path_opens_no_more_sessions_than_its_process_has_left() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.sessions = 2
        path = desk.path(limits(connections=10))
        path.add(mails(30))
        await until(lambda: len(desk.outcomes) == 30)
        assert desk.courier.most_open == 2

    play(scene, seconds=1.0)


def test_a_session_is_reused_and_ends_when_idle() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(replace(ONE, idle_s=2.0))
        path.add([mail()])
        await until(lambda: len(desk.outcomes) == 1)
        await asyncio.sleep(1.5)
        path.add([mail()])
        await until(lambda: len(desk.outcomes) == 2)
        assert path.connections == len(desk.courier.dials) == 1
        await asyncio.sleep(2.5)
        assert path.quiet
        assert desk.courier.open.total() == 0

    play(scene)


def test_the_sessions_of_a_path_that_another_is_to_have_end_with_the_mail_they_are_at() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(replace(ONE, connections=2, idle_s=600.0))
        path.add(mails(2))
        await until(lambda: len(desk.outcomes) == 2)
        path.add([mail()])
        await asyncio.sleep(0.05)
        path.retire()
        await asyncio.sleep(0.02)
        assert path.connections == 1, "one was idle, the other is at work"
        await until(lambda: path.quiet)
        assert len(desk.courier.sent) == 3
        assert desk.courier.open.total() == 0

    play(scene)


def test_a_connection_carries_so_many_mails_and_the_next_is_there_at_once() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(replace(ONE, mails_per_connection=4))
        path.add(mails(12))
        await until(lambda: len(desk.outcomes) == 12)
        assert len(desk.courier.dials) == 3
        assert desk.courier.sent[-1].at < 12 * 0.1 + 0.1

    play(scene)


@pytest.mark.parametrize(
    ("rate", "number", "at_once", "interval_s"), [("10/s", 100, 10, 0.1), ("30/min", 20, 1, 2.0), ("60/h", 5, 1, 60.0)]
)
def test_a_rate_is_kept_evenly_over_all_connections(rate: str, number: int, at_once: int, interval_s: float) -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(rate=rate, connections=4))
        path.add(mails(number))
        await until(lambda: len(desk.courier.sent) == number, 600)
        took_s = (number - at_once) * interval_s
        assert took_s <= desk.courier.sent[-1].at <= took_s * 1.02 + 0.5
        assert all(number <= at_once + sent.at / interval_s for number, sent in enumerate(desk.courier.sent))

    play(scene, seconds=0.01)


def test_421_halves_the_connections_and_they_come_back_one_by_one() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=8))
        path.add(mails(5_000))
        await until(lambda: path.connections == 8 and desk.courier.begun > 40)
        desk.courier.answer = _once(GOODBYE, desk.courier.answer)
        await until(lambda: any(tried.reply is GOODBYE for _, tried in desk.outcomes))
        refused_at = desk.monotonic()
        await asyncio.sleep(1.0)
        seen = []
        for _ in range(5):
            seen.append(path.connections)
            await asyncio.sleep(30.0)
        assert seen == [4, 5, 6, 7, 8]
        assert desk.monotonic() - refused_at < 160
        path.empty()

    play(scene, seconds=0.5)


def _once(reply: Reply, otherwise):
    left = [reply]
    return lambda number: left.pop() if left else otherwise(number)


def test_a_push_back_ends_no_more_sessions_than_it_takes_away() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=8))
        path.add(mails(5_000))
        await until(lambda: path.connections == 8 and desk.courier.begun > 40)
        desk.courier.answer = _once(GOODBYE, desk.courier.answer)
        await until(lambda: any(tried.reply is GOODBYE for _, tried in desk.outcomes))
        dialled, least = len(desk.courier.dials), path.connections
        for _ in range(100):
            least = min(least, path.connections)
            await asyncio.sleep(0.02)
        assert least >= 4 - 1  # the session that was sent away may be one of them
        assert len(desk.courier.dials) - dialled <= 1
        path.empty()

    play(scene, seconds=0.2, quit_s=0.3)


SUSPEND = Action("volume", Do.SUSPEND, ("[TSS04]",), "yahoo in shaping.toml", for_s=7_200)
IGNORE = Action("greylisting", Do.IGNORE, ("greylist",), "default")
BOUNCE = Action("gone", Do.BOUNCE, ("no longer here",), "default")


def test_an_action_suspends_the_path_and_gives_held_mail_back() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=1, actions=(SUSPEND,)))
        path.add(mails(10))
        await until(lambda: desk.returned)
        assert [tried.outcome for _, tried in desk.outcomes] == [Outcome.DELIVERED] * 2 + [Outcome.TRANSIENT]
        assert len(desk.returned) == 7
        assert path.room(9) == 0
        assert (stop := path.stopped(desk.monotonic()))
        assert stop.rule == '"volume" of yahoo in shaping.toml'
        path.add(mails(1))  # claimed before the suspension was known
        await asyncio.sleep(7_100)
        assert len(desk.courier.dials) == 1
        await asyncio.sleep(2_000)
        assert desk.courier.sent[-1].at > 7_200

    play(scene, answer=lambda number: Reply(451, "4.7.0", "[TSS04] deferred") if number == 3 else Reply(250, None, ""))


def test_greylisting_slows_nothing() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=1, actions=(IGNORE,)))
        path.add(mails(10))
        await until(lambda: len(desk.outcomes) == 10)
        assert {tried.outcome for _, tried in desk.outcomes} == {Outcome.TRANSIENT}
        assert len(desk.courier.dials) == 1
        assert desk.monotonic() < 1.5

    play(scene, answer=lambda _: Reply(451, "4.7.1", "Greylisted, try again"), stage=Stage.RCPT)


def test_a_rule_knows_better_than_the_code() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.path(limits(actions=(BOUNCE,))).add([mail()])
        await until(lambda: desk.outcomes)
        assert desk.outcomes[0][1].outcome is Outcome.PERMANENT

    play(scene, answer=lambda _: Reply(450, None, "She is no longer here"), stage=Stage.RCPT)


def test_connect_failures_in_a_row_suspend_the_path_and_each_further_one_twice_as_long() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=1, connect_failures=3))
        path.add(mails(5))
        pauses = []
        while len(pauses) < 9:
            await until(lambda: path.suspension is not None)
            assert path.suspension is not None
            pauses.append(round(path.suspension.until - desk.monotonic()))
            await until(lambda: path.stopped(desk.monotonic()) is None, 1_000, step_s=1.0)
            path.add([mail()])
        assert pauses == [15, 30, 60, 120, 240, 480, 900, 900, 900]
        assert len(desk.outcomes) == 3 + 8, "three attempts for the first pause, one for each further"
        assert len(desk.returned) == 2

    play(scene, dial=lambda _: refused(451, "mx.there.test: refused", "4.4.1"))


def test_dials_made_together_that_all_fail_suspend_the_path_once() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=10, connect_failures=3))
        path.add(mails(1))
        await until(lambda: desk.outcomes)
        desk.courier.dial = lambda _: refused(451, "mx.there.test: refused", "4.4.1")
        path.add(mails(40))
        await until(lambda: path.suspension is not None)
        assert len(desk.courier.dials) == 10
        await asyncio.sleep(1.0)
        assert path.suspension is not None
        assert path.suspension.until - desk.monotonic() < 15

    play(scene, seconds=2.0)


def test_a_receiver_that_turns_away_the_connections_beyond_its_limit_gets_fewer_and_no_pause() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        busy = ConnectFailure(Outcome.TRANSIENT, Reply(421, "4.7.0", "too many connections"), Stage.BANNER, ())
        desk.courier.dial = lambda _: busy if desk.courier.open.total() >= 20 else None
        path = desk.path(limits(connections=50, connect_failures=5))
        path.add(mails(1_000))
        await until(lambda: len(desk.courier.sent) > 500)
        assert path.suspension is None
        assert path.connections <= 25
        await until(lambda: path.quiet)
        assert len(desk.outcomes) == 1_000
        assert len(desk.outcomes) - len(desk.courier.sent) < 100
        assert desk.monotonic() < 60

    play(scene, seconds=0.5)


def test_a_path_that_works_again_forgets_its_failures() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=1, connect_failures=1))
        desk.courier.dial = lambda _: refused(451, "refused")
        path.add([mail()])
        await until(lambda: path.suspension is not None)
        desk.courier.dial = lambda _: None
        await until(lambda: path.stopped(desk.monotonic()) is None, 1_000, step_s=1.0)
        path.add(mails(3))
        await until(lambda: len(desk.courier.sent) == 3)
        await until(lambda: path.quiet)
        desk.courier.dial = lambda _: refused(451, "refused")
        path.add([mail()])
        await until(lambda: path.suspension is not None)
        assert path.suspension is not None
        assert path.suspension.until - desk.monotonic() == pytest.approx(15, abs=0.1)
        assert path.suspension.rule == "connect_failures of there in shaping.toml"
        assert path.suspension.sentence == "The last attempt to connect failed: 451 refused."

    play(scene)


def test_mail_of_a_source_the_host_lacks_goes_back_without_an_attempt() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(ONE, source="192.0.2.7")
        path.add(mails(5))
        await until(lambda: path.quiet)
        assert desk.missing == ["192.0.2.7"]
        assert len(desk.returned) == 5
        assert not desk.outcomes
        assert path.suspension is None

    failure = ConnectFailure(Outcome.TRANSIENT, Reply(451, "4.3.5", "cannot send from 192.0.2.7"), Stage.LOCAL, ())
    play(scene, dial=lambda _: failure)


def test_a_path_names_its_source_and_says_its_name() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.path(ONE, source="192.0.2.7").add([mail()])
        await until(lambda: desk.outcomes)
        ((_, policy),) = desk.courier.dials
        assert (policy.local_addr, policy.helo) == ("192.0.2.7", "out.here.test")
        assert desk.outcomes[0][1].source == "192.0.2.7"

    play(scene)


def test_mail_that_demands_verified_tls_never_travels_over_an_unverified_session() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(ONE)
        held = [mail(), mail(verified=True), mail(), mail(verified=True)]
        demanding = {one.mail.address for one in held if one.mail.message.verified_tls}
        path.add(held)
        await until(lambda: len(desk.courier.sent) == 4)
        assert all(sent.verified for sent in desk.courier.sent if sent.address in demanding)
        assert len(desk.courier.dials) == 2, "what need not be verified may share a session that is"
        assert desk.courier.most_open == 1

    play(scene)


def test_a_demand_the_receiver_cannot_meet_is_no_failure_of_the_path() -> None:
    def dial(policy: SitePolicy) -> ConnectFailure | None:
        reply = Reply(451, "4.7.5", "proves no name")
        return ConnectFailure(Outcome.TRANSIENT, reply, Stage.TLS, ()) if policy.verified else None

    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=1, connect_failures=2))
        path.add([mail(9, verified=True) for _ in range(6)])
        path.add(mails(3, 1))
        await until(lambda: len(desk.outcomes) == 9)
        assert len(desk.courier.sent) == 3
        assert not any(sent.verified for sent in desk.courier.sent)
        assert path.suspension is None

    play(scene, dial=dial)


def test_mail_that_expired_while_it_waited_its_turn_is_not_dialled() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        late = mail(1, expires_at=START + timedelta(seconds=2))
        desk.path(ONE).add([*mails(5), late])
        await until(lambda: len(desk.outcomes) == 5)
        await until(lambda: desk.expired)
        assert desk.expired == [late]
        assert late.mail.address not in desk.courier.addresses

    play(scene, seconds=1.0)


def test_mail_whose_lease_is_gone_is_somebody_elses() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        theirs, ours = mail(9), mail(1)
        desk.lost = {theirs.mail.recipient_id}
        desk.path(ONE).add([theirs, ours])
        await until(lambda: desk.outcomes)
        assert desk.courier.addresses == [ours.mail.address]
        assert [held for held, _ in desk.outcomes] == [ours]

    play(scene)


def test_mail_that_becomes_somebody_elses_while_a_receiver_does_not_answer_is_not_sent() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.courier.dial_s = 30.0
        theirs, ours = mail(9), mail(1)
        desk.path(ONE).add([theirs, ours])
        await asyncio.sleep(10.0)
        desk.lost = {theirs.mail.recipient_id}
        await until(lambda: desk.outcomes)
        assert desk.courier.addresses == [ours.mail.address]
        assert len(desk.courier.dials) == 1

    play(scene)


def test_many_urgent_mails_go_before_what_is_held_as_fast_as_they_can_be_claimed() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path, waiting = desk.path(ONE), mails(90, 9)
        path.add(mails(HOLD_LEAST, 1))
        path.add(mails(10, 9))
        asked = desk.wakes
        while len(desk.outcomes) < 100 + HOLD_LEAST:
            if waiting and desk.wakes > asked and (room := path.room(9)) > 0:
                asked = desk.wakes
                path.add(waiting[:room])
                del waiting[:room]
            await asyncio.sleep(1.0)  # a sixtieth of what a mail takes
        urgent = [held.mail.priority for held, _ in desk.outcomes]
        assert urgent[:100] == [9] * 100

    play(scene, seconds=60.0)


def test_one_mail_we_cannot_handle_does_not_stop_those_behind_it() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        bad, good = mail(9), mail(1)
        desk.unprepared = {bad.mail.recipient_id}
        desk.path(ONE).add([bad, good])
        await until(lambda: len(desk.outcomes) == 2)
        assert [tried.outcome for _, tried in desk.outcomes] == [Outcome.TRANSIENT, Outcome.DELIVERED]
        assert len(desk.errors) == 1

    play(scene)


def test_a_connection_that_ended_while_idle_costs_no_attempt() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.path(ONE).add(mails(6))
        await until(lambda: len(desk.outcomes) == 6)
        assert {tried.outcome for _, tried in desk.outcomes} == {Outcome.DELIVERED}
        assert len(desk.courier.dials) == 2

    play(scene, stale_after=3)


def test_mail_taken_out_is_out_and_the_rest_keeps_its_order() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(limits(connections=1, rate="1/s"))
        held = [*mails(5, 4, ANN), *mails(5, 2, BEN)]
        path.add(held)
        taken = path.take_out(lambda one: one.mail.workspace_id == ANN)
        assert {one.mail.workspace_id for one in taken} == {ANN}
        await until(lambda: path.held == 0)
        await until(lambda: len(desk.courier.sent) == 5 + 5 - len(taken))
        assert desk.courier.addresses[-5:] == [one.mail.address for one in held[5:]]

    play(scene)


def test_on_the_way_out_a_mail_begun_ends_and_what_takes_too_long_is_cut_off() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        quick, slow = desk.path(ONE), desk.path(ONE)
        quick.add(mails(3))
        await asyncio.sleep(2.0)
        slow.add(mails(1))
        await asyncio.sleep(0.1)
        desk.courier.seconds = 1_000.0
        quick.empty()
        await quick.finish(5.0)
        assert [tried.outcome for _, tried in desk.outcomes] == [Outcome.DELIVERED]
        await slow.finish(1.0)
        assert len(desk.outcomes) == 1, "what became of the other nobody knows"
        assert quick.quiet
        assert slow.quiet

    play(scene, seconds=3.0)


def test_a_slow_rate_is_told_in_mails_a_second() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(replace(ONE, mail_rates=(parse("30/min"),)))
        assert path.mails_per_s(0.0) == 0.5
        path.add(mails(3))
        await until(lambda: desk.outcomes)
        assert path.mails_per_s(desk.monotonic()) == 0.5
        path.empty()

    play(scene)


def test_what_goes_within_the_next_moments_is_known_when_a_mail_is_prepared() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        desk.courier.seconds = 0.01
        path = desk.path(ONE)
        sent = mails(40)
        path.add(sent)
        await until(lambda: len(desk.outcomes) == 40)
        addresses = [held.mail.address for held in sent]
        first, later = addresses[0], addresses[20]
        assert desk.soon[first] == [], "nobody knows yet how fast it goes"
        assert desk.soon[later] == addresses[21:28]
        assert desk.soon[addresses[-1]] == []

    play(scene)


def test_what_has_to_wait_for_a_rate_is_not_said_to_go_next() -> None:
    async def scene(desk: ScriptedDesk) -> None:
        path = desk.path(replace(ONE, mail_rates=(parse("60/min"),)))
        path.add(mails(5))
        await until(lambda: len(desk.outcomes) == 3)
        assert set(map(tuple, desk.soon.values())) == {()}
        path.empty()

    play(scene, seconds=10.0)
