"""Address lists as found in From, To and Cc of mail somebody else wrote (RFC 5322 3.4), read tolerantly.

The reader is a scanner over tokens, so groups, comments, quoted strings, routes and missing commas cannot confuse one mailbox
with another: an address hidden in a comment or a display name is no author, and a second one after a missing comma is.
"""

import re
from dataclasses import field
from typing import Final

from posthouse.model.limits import HEADER_BLOCK_OCTETS, MAILBOXES_PER_FIELD
from posthouse.model.values import dataclass
from posthouse.wire.addresses import Mailbox, to_a_label
from posthouse.wire.encoded_words import decode

_TOKEN: Final = re.compile(
    r'(?P<quoted>"(?:[^"\\]|\\.)*(?:"|\\?$))|(?P<comment>\()|(?P<special>[<>,;:])|(?P<space>\s+)|(?P<text>[^\s"(<>,;:]+)',
    re.DOTALL,
)
# Nearly every field: one mailbox, bare or behind a name of plain words. Whatever else there may be takes the scanner.
_ONE_MAILBOX: Final = re.compile(r"""(?:([\w.'-]++(?:[ ][\w.'-]++)*+)[ ])?<([^\s"(<>,;:@]+)@([^\s"(<>,;:@]+)>""")
_BARE_MAILBOX: Final = re.compile(r"""([^\s"(<>,;:@]+)@([^\s"(<>,;:@]+)""")
_COMMENT_PART: Final = re.compile(r"\\.|[()]", re.DOTALL)
_AROUND_DOT_AND_AT: Final = re.compile(r"\s*([@.])\s*")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(slots=True)
class _Scan:
    """What has been read of the current mailbox."""

    found: list[Mailbox] = field(default_factory=list)
    words: list[str] = field(default_factory=list)  # outside angle brackets: a display name, or the bare address
    inside: list[str] | None = None  # between < and >
    complete: bool = False  # an address in angle brackets was read since the last comma

    def finish(self) -> None:
        """What was collected is one mailbox, or nothing."""
        if self.inside is not None:
            self._add("".join(self.inside), " ".join("".join(map(_unquoted, self.words)).split()))
            self.complete = True
        elif self._is_bare_address():
            self._add(_AROUND_DOT_AND_AT.sub(r"\1", "".join(self.words).strip()), "")
        self.words.clear()
        self.inside = None

    def _is_bare_address(self) -> bool:
        # Words without an @ behind a complete address are chatter; alone they are an unusable address.
        text = "".join(self.words)
        return "@" in text if self.complete else bool(text.strip())

    def _add(self, address: str, name: str) -> None:
        local, at, domain = address.rpartition("@")
        self.found.append(_mailbox(local, domain, decode(name)) if at else Mailbox(address, decode(name)))


def parse_list(value: str) -> tuple[Mailbox, ...]:
    """Every mailbox of an unfolded address list, in order.

    What is no usable address comes back as it stood (`Mailbox("nobody")`), so that nothing slips by unseen.
    """
    if bare := _BARE_MAILBOX.fullmatch(value):
        return (_mailbox(bare[1], bare[2], ""),)
    if one := _ONE_MAILBOX.fullmatch(value):
        return (_mailbox(one[2], one[3], one[1] or ""),)
    value = value[:HEADER_BLOCK_OCTETS]
    scan = _Scan()
    position = 0
    comments_close = True
    # More than any honest field has: whoever counts authors has seen enough by then.
    while len(scan.found) < MAILBOXES_PER_FIELD and (token := _TOKEN.match(value, position)):
        position = token.end()
        if token.lastgroup == "comment" and comments_close:
            # What an unclosed one holds is read like the rest: the next reader may not take it for a comment.
            end = _after_comment(value, position)
            comments_close, position = end is not None, end or position
        elif token.lastgroup == "special":
            _take_special(scan, token[0])
        elif scan.inside is None:
            scan.words.append(" " if token.lastgroup == "space" else token[0])
        elif token.lastgroup != "space":
            scan.inside.append(token[0])
    scan.finish()
    return tuple(scan.found)


def _mailbox(local: str, domain: str, name: str) -> Mailbox:
    return Mailbox(f"{local}@{to_a_label(domain) or domain.lower()}", name)


def _take_special(scan: _Scan, mark: str) -> None:
    if mark == "<":
        if scan.inside is not None:
            scan.finish()
        scan.inside = []
    elif mark == ":":
        _end_of_group_name(scan)
    elif mark == ">":
        if scan.inside is not None:
            scan.finish()
    elif scan.inside is not None and scan.inside[:1] and scan.inside[0].startswith("@"):
        scan.inside.clear()  # `<@a,@b:c@d>`: a source route, obsolete and to be ignored (RFC 5322 4.4)
    else:
        scan.finish()
        scan.complete = False


def _end_of_group_name(scan: _Scan) -> None:
    if scan.inside is not None:
        scan.inside.clear()
    # a group's name that reads like an address is treated as one: a reader might be fooled
    elif "@" in "".join(scan.words):
        scan.finish()
    else:
        scan.words.clear()


def _after_comment(value: str, position: int) -> int | None:
    depth = 1
    for part in _COMMENT_PART.finditer(value, position):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if depth == 0:
            return part.end()
    return None


def _unquoted(word: str) -> str:
    return _ESCAPED.sub(r"\1", word[1:].removesuffix('"')) if word.startswith('"') else word
