"""What secrets look like: made from random octets, recognised by their shape, compared and kept as SHA-256.

An API key is `ph_<workspace number>_<32 characters>`, an SMTP user name `ws<workspace number>-<8 characters>` with a password of
32 characters, all of them lower-case base32 (RFC 4648 6): no character that looks like another, none that needs quoting. 32
characters are 160 random bits, so a plain hash is enough; the workspace number leads to the row without a global index.
"""

import base64
import hashlib
import re
from typing import Final

SECRET_OCTETS: Final = 20
NAME_OCTETS: Final = 5
TOKEN_OCTETS: Final = 32  # cookies and links

_API_KEY: Final = re.compile(r"ph_([0-9]{1,9})_[a-z2-7]{32}")
_SMTP_USER: Final = re.compile(r"ws([0-9]{1,9})-[a-z2-7]{8}")
_HINT_CHARS: Final = 4
_HINT: Final = re.compile(rf"{_SMTP_USER.pattern}|ph_([0-9]{{1,9}})_[a-z2-7]{{{_HINT_CHARS}}}")


def api_key(workspace_number: int, entropy: bytes) -> str:
    """A key from SECRET_OCTETS random octets."""
    assert len(entropy) == SECRET_OCTETS
    return f"ph_{workspace_number}_{_base32(entropy)}"


def smtp_user(workspace_number: int, entropy: bytes) -> str:
    """A user name from NAME_OCTETS random octets."""
    assert len(entropy) == NAME_OCTETS
    return f"ws{workspace_number}-{_base32(entropy)}"


def smtp_password(entropy: bytes) -> str:
    """A password from SECRET_OCTETS random octets."""
    assert len(entropy) == SECRET_OCTETS
    return _base32(entropy)


def web_token(entropy: bytes) -> str:
    """A cookie or link from TOKEN_OCTETS random octets: 43 characters that need no quoting in a URL."""
    assert len(entropy) == TOKEN_OCTETS
    return base64.urlsafe_b64encode(entropy).decode("ascii").rstrip("=")


def ownership_token(entropy: bytes) -> str:
    """What a workspace publishes to show that a domain is its own."""
    return f"posthouse-domain-verification={_base32(entropy)}"


def hint_of(key: str) -> str:
    """The part of an API key that may be shown: enough to tell it from others, 20 of 160 bits."""
    return key[: key.rindex("_") + 1 + _HINT_CHARS]


def workspace_of_key(key: str) -> int | None:
    """The workspace number in an API key; None when the text has another shape."""
    return int(found[1]) if (found := _API_KEY.fullmatch(key)) else None


def workspace_of_user(username: str) -> int | None:
    """The workspace number in an SMTP user name; None when the text has another shape."""
    return int(found[1]) if (found := _SMTP_USER.fullmatch(username)) else None


def workspace_of_hint(hint: str) -> int | None:
    """The workspace number in an SMTP user name or in what may be shown of a key; None when the text has another shape."""
    return int(found[1] or found[2]) if (found := _HINT.fullmatch(hint)) else None


def digest(secret: str) -> bytes:
    """What is kept of a secret. Never fails: what arrived from outside may hold lone surrogates."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _base32(entropy: bytes) -> str:
    return base64.b32encode(entropy).decode("ascii").lower()
