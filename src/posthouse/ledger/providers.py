"""Who takes mail for a domain, as far as its name tells: the large providers of personal mailboxes, and everybody else. Pure.

By name and not by MX on purpose: what these providers ask of senders, and the rates they publish, are about mail to their personal
accounts. A company whose mail they host has a domain of its own and rules of its own.
"""

import re
from enum import StrEnum
from typing import Final


class Provider(StrEnum):
    """A group of recipient domains."""

    GMAIL = "gmail"
    YAHOO = "yahoo"
    MICROSOFT = "microsoft"
    OTHER = "other"


_NATIONAL: Final = r"\.(com|[a-z]{2}|com?\.[a-z]{2})$"  # yahoo.com, yahoo.dk, yahoo.co.uk, yahoo.com.br
PATTERNS: Final = {
    Provider.GMAIL: r"^(gmail|googlemail)\.com$",
    Provider.YAHOO: r"^(aol|ymail|rocketmail)\.com$|^(yahoo|aol)" + _NATIONAL,
    Provider.MICROSOFT: r"^(msn\.com|windowslive\.com|passport\.com)$|^(outlook|hotmail|live)" + _NATIONAL,
}
"""Of recipient domains in lower case, in what PostgreSQL and Python both understand."""
_COMPILED: Final = {provider: re.compile(pattern) for provider, pattern in PATTERNS.items()}
NAMES: Final = {Provider.GMAIL: "Gmail", Provider.YAHOO: "Yahoo", Provider.MICROSOFT: "Microsoft"}


def provider_of(domain: str) -> Provider:
    """The group a recipient's domain belongs to."""
    return next((provider for provider, pattern in _COMPILED.items() if pattern.search(domain)), Provider.OTHER)
