"""What failures mean for the addresses they are about: SMTP replies, delivery reports, notices in plain words. Pure.

One classifier for all of them, so that a reply heard on the wire and the same words in a report a day later come to the same. The
rules are data, in `bounces.toml`; every verdict names the one that decided.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from posthouse.ledger import bounce_rules
from posthouse.ledger.bounce_rules import BounceClass, Meaning, OwnRule
from posthouse.model.outcome import Stage
from posthouse.model.values import dataclass

_ENHANCED: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE: Final = re.compile(
    r"(?<![\d.#:/-])([2-5][0-5]\d)(?=[ \-#]|$)(?![ -]?(?:days?|hours?|minutes?|seconds?|bytes|kb|mb|messages)\b)"
)
# Said of the step that failed, by Postfix, Exim, qmail, DragonFly and others: before RCPT nobody has heard of the recipient.
_BEFORE_RECIPIENT: Final = re.compile(
    r"in reply to (?:helo|ehlo|mail from|connect|initial)|after (?:helo|ehlo|mail from|initial connection|pipelined mail from)|"
    r"my name was rejected|sender was rejected|did not like our (?:helo|ehlo|mail from)|refused to talk to me"
)
_BEFORE_WORDS: Final = ("in reply to", "after ", "was rejected", "did not like", "refused to talk")
"""One of these is in what the pattern finds: looked for first, which costs a tenth."""
_UNEXPLAINED: Final = Meaning(BounceClass.UNKNOWN, "unexplained", "nothing said")
_BEFORE: Final = frozenset({Stage.BANNER, Stage.EHLO, Stage.TLS, Stage.AUTH, Stage.MAIL})
_VAGUE: Final = frozenset({"policy", "expired", "not_reachable", "receiver_busy", "not_understood", "mailbox_disabled"})
"""Rules whose words are so common that a code is the better witness."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one failure means. `smtp_code` is 0 and `enhanced` empty where none was given."""

    bounce_class: BounceClass
    reason: str
    rule: str
    smtp_code: int = 0
    enhanced: str = ""

    def as_data(self) -> dict[str, object]:
        """As events keep it, beside the reply itself."""
        return {"class": str(self.bounce_class), "class_reason": self.reason, "rule": self.rule}


def of_reply(
    code: int, enhanced: str | None, text: str, stage: Stage, hosts: Sequence[str] = (), own: tuple[OwnRule, ...] = ()
) -> Verdict:
    """The meaning of an SMTP reply at this stage. `hosts`: who spoke and the recipient's domain, in lower case."""
    said = f"{text} (in reply to end of DATA)" if stage is Stage.DOT else text
    verdict = of_words([said], str(code) if code else "", enhanced or "", hosts, own)
    if verdict.bounce_class is BounceClass.HARD and stage in _BEFORE:
        return replace(verdict, bounce_class=BounceClass.BLOCKED, reason="sender_rejected")
    return verdict


def of_line(line: str) -> Verdict:
    """The meaning of a reply as it stands on one line: `550 5.1.1 No such user`."""
    return of_words([line], "", "", ())


def of_words(
    texts: Sequence[str], code: str, enhanced: str, hosts: Sequence[str], own: tuple[OwnRule, ...] = ()
) -> Verdict:
    """The meaning of what was said, in the order of how much it may be trusted: diagnosis first, the notice around it last.

    `code` and `enhanced` are empty where no field gives them; they are then looked for in the texts. `own` are asked before all others.
    """
    code = code or _first_code(texts)
    enhanced = _better(enhanced, _first_enhanced(texts))
    meaning = (own and bounce_rules.own(own, texts, code, enhanced)) or _meaning(texts, code, enhanced, hosts)
    if meaning.bounce_class is BounceClass.HARD:
        meaning = _doubted(meaning, texts, code, enhanced)
    return Verdict(meaning.bounce_class, meaning.reason, meaning.rule, int(code or 0), enhanced)


def _meaning(texts: Sequence[str], code: str, enhanced: str, hosts: Sequence[str]) -> Meaning:
    rules = bounce_rules.shipped()
    if known := rules.of_hosts(hosts, texts, code):
        return known
    by_status = rules.of_status(enhanced) if enhanced else None
    vague: Meaning | None = None
    for index, text in enumerate(texts[:1] if by_status else texts):  # beside a code only the diagnosis itself counts
        found = rules.of_text(text, code) if text.strip() else None
        if found and not (by_status and _is_vague(found)):
            if not _is_vague(found) or index == len(texts) - 1:
                return found
            vague = vague or found
    return by_status or vague or rules.of_code(code) or _UNEXPLAINED


def _doubted(meaning: Meaning, texts: Sequence[str], code: str, enhanced: str) -> Meaning:
    """A verdict against an address stands only if the receiver meant it, for good, and knew whom it spoke of."""
    if _is_temporary(code, enhanced):
        return replace(meaning, bounce_class=BounceClass.SOFT)
    if any(
        _BEFORE_RECIPIENT.search(text) for text in map(str.lower, texts) if any(word in text for word in _BEFORE_WORDS)
    ):
        return Meaning(BounceClass.BLOCKED, "sender_rejected", f"{meaning.rule}, but before the recipient was named")
    return meaning


def _is_vague(meaning: Meaning) -> bool:
    return meaning.rule.partition(" ")[0] in _VAGUE


def _is_temporary(code: str, enhanced: str) -> bool:
    return code.startswith("4") if code else enhanced.startswith("4")


def _first_code(texts: Sequence[str]) -> str:
    for text in texts:
        if found := _CODE.search(text):
            return found[1]
    return ""


def _first_enhanced(texts: Sequence[str]) -> str:
    for text in texts:
        found = [".".join(each) for each in _ENHANCED.findall(text)]
        if found:
            return next((each for each in found if not each.endswith(".0.0")), found[0])
    return ""


def _better(given: str, found: str) -> str:
    """The code that says more: a field of 5.0.0 is what a server writes that has lost what it was told."""
    return found if found and (not given or given.endswith(".0.0")) else given
