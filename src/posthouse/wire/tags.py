"""Tag lists, the `v=DKIM1; k=rsa; p=...` of DKIM and DMARC (RFC 6376 3.2)."""

import re
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_FOLDING: Final = re.compile(r"[ \t\r\n]+")


def parse(text: str) -> dict[str, str] | None:
    """The tags in order, or None when the text is no tag list or names a tag twice."""
    tags: dict[str, str] = {}
    for piece in text.strip(" \t\r\n;").split(";"):
        name, separator, value = piece.partition("=")
        name = name.strip(" \t\r\n")
        if not separator or not _NAME.fullmatch(name) or name in tags:
            return None
        tags[name] = value.strip(" \t\r\n")
    return tags


def without_folding(value: str) -> str:
    """A value in which white space means nothing: base64 and colon lists."""
    return _FOLDING.sub("", value)
