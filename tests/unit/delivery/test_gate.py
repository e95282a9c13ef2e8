"""What one source may do to one receiver, and what the receiver's words change about it."""

import pytest
from tests.scripted_desk import limits

from posthouse.delivery.backoff import Action, Do, Said
from posthouse.delivery.gate import Gate
from posthouse.delivery.rates import parse
from posthouse.model.outcome import Reply, Stage

SUSPEND = Action("volume", Do.SUSPEND, ("[TSS04]",), "yahoo in shaping.toml", for_s=7_200)
SLOW = Action("reputation", Do.SLOW, ("server busy",), "default", for_s=5_400, rate=parse("1/min"), connections=1)
ACTIONS = (SUSPEND, SLOW)


def said(text: str, code: int = 421, connections: int = 8, stage: Stage = Stage.DOT, jitter: float = 0.5) -> Said:
    return Said(Reply(code, None, text), stage, connections, jitter)


def opened(gate: Gate, number: int) -> Gate:
    for _ in range(number):
        gate.dialled(0.0)
    return gate


def test_no_more_connections_are_opened_than_the_rule_says() -> None:
    gate = opened(Gate(limits(connections=3), 0.0), 2)
    assert gate.may_dial(0.0)
    gate.dialled(0.0)
    assert not gate.may_dial(0.0)
    gate.hung_up()
    assert gate.may_dial(0.0)


def test_connections_are_not_opened_faster_than_the_rule_says() -> None:
    gate = Gate(limits(connections=1_000, connection_rate=parse("60/min")), 0.0)
    opened_at = []
    for tenth in range(100):
        if gate.may_dial(tenth / 10):
            gate.dialled(tenth / 10)
            opened_at.append(tenth / 10)
    assert opened_at == [float(second) for second in range(10)]


@pytest.mark.parametrize(("rates", "wait_s"), [((), 0.0), (("1/s",), 2.0), (("1/s", "6/min"), 20.0), (("9/s",), 0.0)])
def test_of_several_rates_the_slowest_decides(rates: tuple[str, ...], wait_s: float) -> None:
    gate = Gate(limits(mail_rates=tuple(map(parse, rates))), 0.0)
    for _ in range(2):
        gate.take(0.0)
    wait = gate.wait(0.0)
    assert (wait.until if wait else 0.0) == pytest.approx(wait_s)


def test_a_rate_is_named_with_its_rule() -> None:
    gate = Gate(limits(rate="1/min"), 0.0)
    gate.take(0.0)
    wait = gate.wait(15.0)
    assert wait is not None
    assert (wait.until, wait.rule, wait.sentence) == (60.0, "there in shaping.toml", "At most 1/min may go there.")


def test_421_halves_the_connections_and_they_come_back_one_by_one() -> None:
    gate = opened(Gate(limits(connections=8), 0.0), 8)
    gate.refused(said("slow down"), 100.0)
    assert [gate.connections(100.0 + s) for s in (0, 29, 30, 60, 90, 120, 1_000)] == [4, 4, 5, 6, 7, 8, 8]
    assert gate.wait(100.0) is None, "mail still goes"


def test_an_action_that_suspends_lets_nothing_go_until_its_end_and_then_one_connection_at_first() -> None:
    gate = Gate(limits(connections=8, actions=ACTIONS), 0.0)
    effect = gate.refused(said("[TSS04] Messages temporarily deferred"), 0.0)
    assert effect is not None
    wait = gate.suspended(1.0)
    assert wait is not None
    assert wait.until == effect.until >= 7_200.0
    assert wait.rule == '"volume" of yahoo in shaping.toml'
    assert "[TSS04] Messages temporarily deferred; nothing is sent there for 2h" in wait.sentence
    assert gate.wait(1.0) == wait
    assert not gate.may_dial(1.0)
    assert gate.suspended(effect.until) is None
    assert gate.may_dial(effect.until)
    assert gate.connections(effect.until) == 1


def test_an_action_that_slows_keeps_its_rate_and_its_connections_until_its_end() -> None:
    gate = Gate(limits(connections=8, rate="100/s", actions=ACTIONS), 0.0)
    effect = gate.refused(said("server busy", code=451), 0.0)
    assert effect is not None
    assert gate.connections(1.0) == 1
    assert gate.mails_per_s(1.0) == pytest.approx(1 / 60)
    gate.take(1.0)
    wait = gate.wait(1.0)
    assert wait is not None
    assert (wait.until, wait.rule) == (61.0, '"reputation" of default')
    assert gate.wait(effect.until) is None
    assert gate.mails_per_s(effect.until) == 100.0


def test_a_milder_word_of_another_session_does_not_lift_a_suspension() -> None:
    gate = Gate(limits(connections=8, actions=ACTIONS), 0.0)
    gate.refused(said("[TSS04] deferred"), 0.0)
    gate.refused(said("server busy", code=451), 0.5)
    assert gate.suspended(60.0) is not None


def test_what_another_process_was_told_ends_with_one_connection_at_first_too() -> None:
    told = Gate(limits(connections=8, actions=ACTIONS), 0.0).refused(said("[TSS04] deferred"), 0.0)
    assert told is not None
    gate = Gate(limits(connections=8), 3_600.0)
    assert gate.resume(told, 3_600.0)
    assert gate.suspended(3_601.0) is not None
    assert [gate.connections(told.until + s) for s in (0, 29, 30, 60)] == [1, 1, 2, 3]


def test_what_is_lifted_lets_one_connection_go_at_once_and_more_one_by_one() -> None:
    gate = Gate(limits(connections=8, actions=ACTIONS), 0.0)
    gate.refused(said("[TSS04] deferred"), 0.0)
    gate.forgive(600.0)
    assert gate.suspended(600.0) is None
    assert [gate.connections(600.0 + s) for s in (0, 29, 30, 60)] == [1, 1, 2, 3]


def test_new_rules_hold_at_once_and_forget_nothing_the_receiver_said() -> None:
    gate = opened(Gate(limits(connections=8, actions=ACTIONS), 0.0), 8)
    gate.refused(said("slow down"), 0.0)
    gate.renew(limits(connections=6, rate="2/s"), 1.0)
    assert gate.connections(1.0) == 4
    assert gate.mails_per_s(1.0) == 2.0
    gate.renew(limits(connections=2), 2.0)
    assert gate.connections(2.0) == 2
    assert gate.mails_per_s(2.0) == 0.0
