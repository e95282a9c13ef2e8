"""The server's side of SASL PLAIN (RFC 4616) and LOGIN, as used by SMTP AUTH (RFC 4954).

Pure decoding: an `Exchange` knows which challenge comes next and turns the client's base64 lines into `Credentials`.
Whether they are right is the host's question.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import field
from typing import Final

from posthouse.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims. `authorization_id` is empty unless it asks to act as somebody else (PLAIN only)."""

    username: str
    password: str = field(repr=False)
    authorization_id: str = ""


def decode_base64(encoded: bytes) -> bytes | None:
    """Decode one response line without its CRLF; None when it is not canonical base64 (RFC 4648 section 4)."""
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        return None


def credentials_of_plain(message: bytes) -> Credentials | None:
    """RFC 4616 section 2: [authzid] NUL authcid NUL passwd, in UTF-8; None when the shape is wrong."""
    fields = message.split(b"\0")
    if len(fields) != 3:
        return None
    return _credentials(username=fields[1], password=fields[2], authorization_id=fields[0])


def _credentials(username: bytes, password: bytes, authorization_id: bytes = b"") -> Credentials | None:
    if not username or not password or b"\0" in username + password:
        return None
    try:
        return Credentials(username.decode(), password.decode(), authorization_id.decode())
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class _Mechanism:
    prompts: tuple[bytes, ...]
    combine: Callable[..., Credentials | None]


_MECHANISMS: Final = {
    "PLAIN": _Mechanism((b"",), credentials_of_plain),
    # LOGIN was never standardised; these two prompts are what every client matches on.
    "LOGIN": _Mechanism((b"Username:", b"Password:"), _credentials),
}
MECHANISMS: Final = tuple(_MECHANISMS)


class Exchange:
    """One authentication: hand out `challenge` while there is one, feed `respond`, then ask for `credentials`."""

    __slots__ = ("_mechanism", "_responses")

    def __init__(self, mechanism: str) -> None:
        self._mechanism = _MECHANISMS[mechanism]
        self._responses: list[bytes] = []

    @property
    def challenge(self) -> bytes | None:
        """The next challenge in base64, or None when the client has said everything."""
        prompts, given = self._mechanism.prompts, len(self._responses)
        return base64.b64encode(prompts[given]) if given < len(prompts) else None

    def respond(self, encoded: bytes) -> bool:
        """Take one base64 response; False, with nothing taken, when it is not base64."""
        decoded = decode_base64(encoded)
        if decoded is None:
            return False
        self._responses.append(decoded)
        return True

    def credentials(self) -> Credentials | None:
        """What the responses amount to, or None when they make no sense for the mechanism."""
        assert self.challenge is None
        return self._mechanism.combine(*self._responses)
