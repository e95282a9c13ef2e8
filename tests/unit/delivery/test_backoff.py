"""What refusals mean for a path."""

import time

import pytest

from posthouse.delivery import backoff, shaping_file
from posthouse.delivery.backoff import (
    COOL_S,
    FRESH,
    JITTER,
    RECOVER_S,
    Action,
    Do,
    Effect,
    Said,
    State,
    adapted,
    consider,
)
from posthouse.delivery.rates import Rate
from posthouse.delivery.rules import load
from posthouse.model.limits import REPLY_QUOTED_CHARS
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.model.words import Pool

BUSY = Reply(421, "4.7.0", "Too busy")
NOW = 1_000.0


def said(reply: Reply, stage: Stage = Stage.MAIL, connections: int = 8, jitter: float = 0.5) -> Said:
    return Said(reply, stage, connections, jitter)


# --- Without any rule


@pytest.mark.parametrize(
    ("reply", "stage", "left"),
    [
        (Reply(421, None, "bye"), Stage.BANNER, 4),
        (Reply(421, None, "bye"), Stage.DOT, 4),
        (Reply(451, "4.7.1", "later"), Stage.MAIL, 4),
        (Reply(451, "4.4.1", "no answer"), Stage.CONNECT, 4),
        (Reply(450, "4.2.1", "greylisted"), Stage.RCPT, 8),  # about this recipient
        (Reply(452, "4.2.2", "mailbox full"), Stage.DOT, 8),
        (Reply(550, "5.7.1", "no"), Stage.MAIL, 8),
        (Reply(554, None, "no service"), Stage.BANNER, 8),
    ],
)
def test_a_push_back_halves_the_connections_and_other_refusals_do_not(reply: Reply, stage: Stage, left: int) -> None:
    state, effect = consider(FRESH, said(reply, stage), NOW, ())
    assert effect is None
    assert adapted(8, state, NOW) == left


def test_refusals_that_all_sessions_meet_at_once_count_as_one() -> None:
    state = FRESH
    for number in range(8):
        state, _ = consider(state, said(BUSY, connections=8 - number), NOW + number * 0.1, ())
    assert adapted(8, state, NOW + 1) == 4


def test_a_push_back_after_that_halves_again_down_to_one() -> None:
    state, now = FRESH, NOW
    for connections, left in [(8, 4), (4, 2), (2, 1), (1, 1), (0, 1)]:
        state, _ = consider(state, said(BUSY, connections=connections), now, ())
        assert adapted(8, state, now) == left
        now += COOL_S


def test_connections_come_back_one_by_one_and_never_beyond_the_limit() -> None:
    state, _ = consider(FRESH, said(BUSY), NOW, ())
    allowed = [adapted(8, state, NOW + RECOVER_S * steps) for steps in (0.9, 1, 2, 3, 4, 100)]
    assert allowed == [4, 5, 6, 7, 8, 8]


def test_paths_that_were_refused_together_come_back_at_different_times() -> None:
    early, _ = consider(FRESH, said(BUSY, jitter=0.0), NOW, ())
    late, _ = consider(FRESH, said(BUSY, jitter=0.999), NOW, ())
    assert early.recover_s == pytest.approx(RECOVER_S * (1 - JITTER))
    assert late.recover_s == pytest.approx(RECOVER_S * (1 + JITTER), rel=0.01)


def test_a_lower_limit_holds_at_once() -> None:
    state, _ = consider(FRESH, said(BUSY, connections=20), NOW, ())
    assert adapted(20, state, NOW) == 10
    assert adapted(3, state, NOW) == 3


# --- With rules

SLOW = Action("rate", Do.SLOW, ("RL0000",), "comcast in shaping.toml", 7_200.0, Rate(10_000, 3_600.0), after=2)
SUSPEND = Action("complaints", Do.SUSPEND, ("[TSS04]",), "yahoo in shaping.toml", 7_200.0)
GREY = Action("greylisting", Do.IGNORE, ("greylist",))
TSS = Reply(421, "4.7.0", "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume")


def test_an_action_suspends_the_path_and_says_why() -> None:
    state, effect = consider(FRESH, said(TSS, jitter=0.0), NOW, (SUSPEND,))
    assert effect == Effect(
        Do.SUSPEND,
        '"complaints" of yahoo in shaping.toml',
        NOW + 7_200,
        f"The receiver said {TSS}; nothing is sent there for 2h.",
    )
    assert state.hits == ()


def test_after_a_suspension_the_path_begins_with_one_connection() -> None:
    state, effect = consider(FRESH, said(TSS), NOW, (SUSPEND,))
    assert effect is not None
    assert [adapted(8, state, effect.until + RECOVER_S * steps) for steps in (-10, 0, 1, 7)] == [1, 1, 2, 8]


def test_a_suspension_lasts_a_little_longer_at_random_and_never_shorter() -> None:
    ends = [consider(FRESH, said(TSS, jitter=jitter), NOW, (SUSPEND,))[1] for jitter in (0.0, 0.999)]
    first, last = (effect.until - NOW for effect in ends if effect)
    assert first == 7_200
    assert 7_200 < last <= 7_200 * (1 + JITTER)


def test_an_action_may_wait_for_more_matches_in_its_time() -> None:
    reply = Reply(450, None, "RL000001 Throttled")
    state, effect = consider(FRESH, said(reply, Stage.DOT), NOW, (SLOW,))
    assert effect is None
    state, effect = consider(state, said(reply, Stage.DOT), NOW + 60, (SLOW,))
    assert effect is not None
    assert (effect.do, effect.rate, effect.connections) == (Do.SLOW, Rate(10_000, 3_600.0), None)
    assert effect.sentence.endswith("; it gets at most 10000/h for 2h.")
    assert state.hits == (), "and begins to count anew"


def test_matches_too_far_apart_are_forgotten() -> None:
    state, _ = consider(FRESH, said(Reply(450, None, "RL000001")), NOW, (SLOW,))
    state, effect = consider(state, said(Reply(450, None, "RL000001")), NOW + 3_600, (SLOW,))
    assert effect is None
    assert len(state.hits) == 1


def test_actions_count_each_their_own_matches() -> None:
    other = Action("other", Do.SUSPEND, ("again",), for_s=60, after=2)
    state, _ = consider(FRESH, said(Reply(450, None, "RL0000")), NOW, (SLOW, other))
    state, effect = consider(state, said(Reply(450, None, "again")), NOW, (SLOW, other))
    assert effect is None
    assert {hit.action for hit in state.hits} == {"rate", "other"}


def test_greylisting_slows_nothing_even_at_a_step_that_would() -> None:
    state, effect = consider(FRESH, said(Reply(451, "4.7.1", "Greylisted, come back")), NOW, (GREY,))
    assert (state, effect) == (FRESH, None)


def test_the_first_action_that_matches_decides() -> None:
    shield = Action("shield", Do.IGNORE, ("TSS04",))
    assert consider(FRESH, said(TSS), NOW, (shield, SUSPEND))[1] is None
    assert consider(FRESH, said(TSS), NOW, (SUSPEND, shield))[1] is not None


@pytest.mark.parametrize(
    ("action", "matches"),
    [
        (Action("a", Do.IGNORE, ("messages from * temporarily",)), True),
        (Action("a", Do.IGNORE, ("temporarily*messages from",)), False),  # in this order only
        (Action("a", Do.IGNORE, ("nothing of the kind", "tss04")), True),
        (Action("a", Do.IGNORE, ("421 4.7.0 [TSS04]",)), True),  # code and text as on one line
        (Action("a", Do.IGNORE, codes=frozenset({"421"})), True),
        (Action("a", Do.IGNORE, codes=frozenset({"4.7.0"})), True),
        (Action("a", Do.IGNORE, codes=frozenset({"4xx"})), True),
        (Action("a", Do.IGNORE, codes=frozenset({"5xx", "451"})), False),
        (Action("a", Do.IGNORE, ("TSS04",), codes=frozenset({"5xx"})), False),
        (Action("a", Do.IGNORE, ("TSS04",), stages=frozenset({Stage.MAIL})), True),
        (Action("a", Do.IGNORE, ("TSS04",), stages=frozenset({Stage.DOT})), False),
    ],
)
def test_an_action_matches_by_text_code_and_stage(action: Action, matches: bool) -> None:
    assert (backoff.matching(TSS, Stage.MAIL, (action,)) is action) is matches


def test_a_hostile_reply_takes_no_longer_than_its_length() -> None:
    action = Action("a", Do.IGNORE, ("*".join(["aaaa"] * 40) + "b",))
    begun = time.process_time()
    assert backoff.matching(Reply(421, None, "a" * 2_000), Stage.MAIL, (action,) * 50) is None
    assert time.process_time() - begun < 0.5


def test_a_long_reply_is_quoted_in_short() -> None:
    _, effect = consider(FRESH, said(Reply(421, None, "[TSS04] " + "x" * 2_000)), NOW, (SUSPEND,))
    assert effect is not None
    assert len(effect.sentence) < REPLY_QUOTED_CHARS + 100


def test_what_a_path_remembers_is_bounded_by_its_actions() -> None:
    state = FRESH
    patient = Action("patient", Do.SUSPEND, ("no",), for_s=60, after=100, within_s=1e9)
    for number in range(1_000):
        state, _ = consider(state, said(Reply(450, None, "no")), NOW + number, (patient,))
        assert len(state.hits) < 100


# --- The mail itself


@pytest.mark.parametrize(
    ("outcome", "do", "judged"),
    [
        (Outcome.PERMANENT, Do.DEFER, Outcome.TRANSIENT),
        (Outcome.TRANSIENT, Do.BOUNCE, Outcome.PERMANENT),
        (Outcome.PERMANENT, Do.IGNORE, Outcome.PERMANENT),
        (Outcome.PERMANENT, Do.SUSPEND, Outcome.PERMANENT),
        (Outcome.UNKNOWN, Do.BOUNCE, Outcome.UNKNOWN),  # it may have arrived
        (Outcome.DELIVERED, Do.BOUNCE, Outcome.DELIVERED),
    ],
)
def test_an_operator_may_know_better_than_the_code(outcome: Outcome, do: Do, judged: Outcome) -> None:
    action = Action("known", do, ("come back",))
    assert backoff.outcome_of(outcome, Reply(550, None, "Come back later"), Stage.RCPT, (action,)) is judged


def test_without_a_matching_action_the_code_decides() -> None:
    assert backoff.outcome_of(Outcome.PERMANENT, Reply(550, None, "no"), Stage.RCPT, (SUSPEND,)) is Outcome.PERMANENT


def test_a_rule_about_the_mail_leaves_the_path_to_itself() -> None:
    action = Action("known", Do.DEFER, ("too busy",))
    state, effect = consider(FRESH, said(BUSY), NOW, (action,))
    assert effect is None
    assert adapted(8, state, NOW) == 4, "but a push-back is one"


# --- What is shipped, against replies as they are seen

GOOGLE = ("gmail-smtp-in.l.google.com",)
YAHOO = ("mta5.am0.yahoodns.net",)
OUTLOOK = ("hotmail-com.olc.protection.outlook.com",)
MICROSOFT = ("example-com.mail.protection.outlook.com",)
COMCAST = ("mx1h1.comcast.net",)
ORANGE = ("smtp-in.orange.fr",)
OTHER = ("mx.example.org",)


@pytest.mark.parametrize(
    ("hosts", "stage", "code", "enhanced", "text", "after", "do"),
    [
        (GOOGLE, Stage.DOT, 421, "4.7.28", "Our system has detected an unusual rate of unsolicited mail originating from your IP address.", 2, Do.SLOW),
        (GOOGLE, Stage.DOT, 421, "4.7.28", "Gmail has detected an unusual rate of unsolicited mail originating from your DKIM domain.", 9, None),
        (GOOGLE, Stage.DOT, 421, "4.7.0", "This message is suspicious due to the very low reputation of the sending IP address.", 1, Do.SLOW),
        (GOOGLE, Stage.RCPT, 450, "4.2.1", "The user you are trying to contact is receiving mail too quickly.", 9, None),
        (YAHOO, Stage.BANNER, 421, "4.7.0", "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints", 1, Do.SUSPEND),
        (YAHOO, Stage.MAIL, 421, "4.7.1", "[TS03] All messages from 192.0.2.1 will be permanently deferred; retrying will NOT succeed", 1, Do.SLOW),
        (YAHOO, Stage.MAIL, 421, "4.7.1", "[GL01] Message from (192.0.2.1) temporarily deferred", 9, None),
        (OUTLOOK, Stage.MAIL, 550, "5.7.1", "Unfortunately, messages from [192.0.2.1] weren't sent. Part of their network is on our block list (S3140).", 1, Do.SUSPEND),
        (OUTLOOK, Stage.MAIL, 421, None, "RP-001 Unfortunately, some messages from 192.0.2.1 weren't sent.", 1, Do.SLOW),
        (MICROSOFT, Stage.RCPT, 451, "4.7.500", "Server busy. Please try again later from [192.0.2.1].", 1, Do.SLOW),
        (MICROSOFT, Stage.MAIL, 550, "5.7.606", "Access denied, banned sending IP [192.0.2.1]", 1, Do.SUSPEND),
        (COMCAST, Stage.DOT, 421, "4.1.0", "Throttled - try again later. RL000001", 2, Do.SLOW),
        (COMCAST, Stage.DOT, 421, "4.1.0", "Throttled - try again later. RL000010", 1, Do.SUSPEND),
        (ORANGE, Stage.BANNER, 421, None, "Too many connections, slow down. OFR004_104", 1, Do.SLOW),
        (OTHER, Stage.MAIL, 451, None, "Your IP has been temporarily rate limited due to IP reputation", 1, Do.SLOW),
        (OTHER, Stage.RCPT, 450, "4.2.0", "<a@example.org>: Recipient address rejected: Greylisted, see http://postgrey.example", 9, None),
        (OTHER, Stage.RCPT, 451, "4.7.1", "Please try again later", 9, None),
        (OTHER, Stage.RCPT, 550, "5.1.1", "<[TSS04]@example.org> no such user", 9, None),
    ],
)  # fmt: skip
def test_the_shipped_rules_answer_what_receivers_really_say(
    hosts: tuple[str, ...], stage: Stage, code: int, enhanced: str | None, text: str, after: int, do: Do | None
) -> None:
    actions = load(shaping_file.shipped()).limits(Pool.MARKETING, "example.org", "site", hosts).actions
    state: State = FRESH
    effects = []
    for number in range(after):
        state, effect = consider(state, said(Reply(code, enhanced, text), stage), NOW + number, actions)
        effects.append(effect)
    assert [effect.do if effect else None for effect in effects] == [None] * (after - 1) + [do]
