"""The lab's DNS: what the world would see if every record the product asks for were published.

Nothing is asked of a real name server. Sending domains answer with the keys their workspace shows, whether or not they are
published in earnest; every other domain answers with the lab's own keys, as mail from any domain may be sent here.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from posthouse.wire.lookups import Answer, Found

NO_NAME: Final = Answer(Found.NO_NAME)
NO_DATA: Final = Answer(Found.NO_DATA)
LAB_SPF: Final = "v=spf1 ip4:127.0.0.0/8 ip6:::1 -all"
LAB_DMARC: Final = "v=DMARC1; p=none"


class Published:
    """Answers as `wire.lookups.Lookups` asks: TXT for DKIM, SPF and DMARC, nothing else.

    `lab_keys` maps a selector to its TXT value, good for any domain; `domain_key` finds the TXT value of a sending domain's
    own selector, None when there is none; `bounce_domains` are those that return paths end in.
    """

    def __init__(
        self,
        lab_keys: Mapping[str, str],
        bounce_domains: frozenset[str],
        domain_key: Callable[[str, str], Awaitable[str | None]],
    ) -> None:
        self.lab_keys, self._bounce_domains, self._domain_key = lab_keys, bounce_domains, domain_key

    async def txt(self, name: str) -> Answer:
        """DKIM keys (RFC 6376 3.6.2.1), DMARC records (RFC 7489 6.1) and the SPF record of the bounce domains."""
        name = name.lower().rstrip(".")
        selector, found, domain = name.partition("._domainkey.")
        if found:
            return _answer(self.lab_keys.get(selector) or await self._domain_key(selector, domain))
        if name.startswith("_dmarc."):
            # No record for a top-level domain: it would make all its domains one organisation (RFC 9989).
            return _answer(LAB_DMARC if name.count(".") > 1 else None)
        return _answer(LAB_SPF if name in self._bounce_domains else None)

    async def a(self, name: str) -> Answer:
        """No name has an address here."""
        return NO_DATA

    async def aaaa(self, name: str) -> Answer:
        """No name has an address here."""
        return NO_DATA

    async def mx(self, name: str) -> Answer:
        """No name has a mail exchanger here."""
        return NO_DATA

    async def ptr(self, ip: str) -> Answer:
        """No address has a name here."""
        return NO_NAME


def _answer(value: str | None) -> Answer:
    return Answer(Found.YES, (value,)) if value is not None else NO_DATA
