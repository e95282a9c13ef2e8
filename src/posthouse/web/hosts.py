"""What is served under which host. Pure.

Customers' link hosts lead to this server too, and their names are theirs: with a change of the DNS they are somebody else's server, which
then has whatever cookie a browser keeps for the name, and the eyes of whoever learned to sign in there. So pages, API and probes answer
under our own names alone; under any other there is what mails link to, and nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self

from posthouse.intake import opt_out
from posthouse.runtime.settings import Settings

PUBLIC_PREFIXES: Final = (opt_out.PATH, "/t/", "/static/")
"""Opting out, clicks and opens, and the style and scripts of the pages behind them, which hold nothing of anybody's."""

NOTHING_HERE: Final = b"""\
There is nothing to see here. This name only carries links of mails.

Are pages or API of Posthouse meant to answer here? Name the host in web.public_url or web.other_hosts.
"""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Our own names. None where links can lead to no other: whatever name we are reached under is ours then."""

    own: frozenset[str] | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say."""
        if not settings.link_target:
            return cls(None)
        names = (settings.link_target, settings.server.hostname, *settings.web.other_hosts)
        return cls(frozenset(name.lower().rstrip(".") for name in names))

    def keeps_from(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether this path has no answer under the host the request names."""
        if self.own is None or is_public(path):
            return False
        return any(name == b"host" and not self._is_own(value) for name, value in headers)

    def _is_own(self, value: bytes) -> bool:
        text = value.decode("latin-1").lower()
        name = text.removesuffix(text[text.rfind(":") :]) if text.rfind(":") > text.rfind("]") else text
        name = name.rstrip(".")
        # A link host has a dot, and no number is one: probes, programs beside us and proxies that name their upstream come so.
        return "." not in name or name in (self.own or ()) or name.endswith(".localhost") or _is_address(name)


def is_public(path: str) -> bool:
    """Whether mails link to it. A path that another reader might take for a different one does not count."""
    return path.startswith(PUBLIC_PREFIXES) and "/." not in path and "//" not in path and "\\" not in path


def _is_address(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
