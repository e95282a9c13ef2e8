"""Octets in a charset a stranger named, as text."""

import re
from typing import Final

# Python counts its own escapes and name encodings as charsets. They are no MIME charsets, and some take quadratic time.
_NOT_MIME: Final = frozenset({"idna", "punycode", "undefined", "unicodeescape", "rawunicodeescape", "mbcs", "oem"})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def text(octets: bytes, charset: str) -> str:
    """The text; what its charset does not know becomes U+FFFD, and an unknown charset is read as UTF-8. Never raises."""
    name = charset.strip().lower()
    if name in {"", "utf-8", "us-ascii", "ascii"} or re.sub(r"[^a-z0-9]", "", name) in _NOT_MIME:
        return octets.decode("utf-8", "replace")
    try:
        return _SURROGATE.sub("\ufffd", octets.decode(name, "replace"))  # UTF-7 can spell lone surrogates
    except (ValueError, LookupError):
        return octets.decode("utf-8", "replace")
