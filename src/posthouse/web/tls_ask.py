"""Whether a TLS proxy may get a certificate for a name: `GET /tls/ask?domain=NAME`, as Caddy's on-demand TLS asks before it does.

Yes (200) for our own public host and for every link host in use; no (404) for all else, and to whoever is no proxy. Strangers choose the
names, by what they put into a TLS handshake: an answer costs one look into memory, or one row of an index, and few of those at once.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from posthouse.accounts.terms import domain_name
from posthouse.model.limits import TLS_ASK_LOOKUPS, TLS_ASK_OCTETS
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.reach import Reach, networks
from posthouse.web.api.caller import client_ip
from posthouse.web.api.exchange import Answer
from posthouse.web.rooms import Rooms

PATH: Final = "/tls/ask"

_TEXT: Final = "text/plain; charset=utf-8"
_YES: Final = Answer(200, b"yes\n", _TEXT)
_NO: Final = Answer(404, b"no\n", _TEXT)
_LATER: Final = Answer(503, b"ask again\n", _TEXT, (("retry-after", "1"),))
_HERE: Final = ("127.0.0.0/8", "::1")
# What a proxy adds to a request it passes on, and to none of its own.
_PASSED_ON: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})


class TlsAsk:
    """What proxies ask."""

    def __init__(self, rooms: Rooms) -> None:
        settings = rooms.process.settings
        self._rooms = rooms
        self._own = settings.link_target
        self._proxies = Reach(networks((*_HERE, *settings.web.proxies)))
        self._looking = 0

    async def answer(self, scope: Mapping[str, Any]) -> Answer:
        """Yes, no, or ask again."""
        name = _name(scope["query_string"])
        if name is None or scope["method"] != "GET" or not self._is_proxy(scope):
            return _NO
        if name == self._own:
            return _YES
        if self._looking >= TLS_ASK_LOOKUPS:
            return _LATER
        self._looking += 1
        try:
            return _YES if await self._rooms.directory.is_link_host(name) else _NO
        except DATABASE_GONE:
            return _LATER
        finally:
            self._looking -= 1

    def _is_proxy(self, scope: Mapping[str, Any]) -> bool:
        passed_on = any(name in _PASSED_ON for name, _ in scope["headers"])
        return not passed_on and self._proxies.is_allowed(client_ip(scope))


def _name(query: bytes) -> str | None:
    if len(query) > TLS_ASK_OCTETS:
        return None
    asked = [value for key, value in parse_qsl(query.decode("latin-1")) if key == "domain"]
    return domain_name(asked[0]) if len(asked) == 1 else None
