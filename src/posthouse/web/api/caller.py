"""Who is calling: the key in the Authorization header, and the address the request came from."""

import binascii
from collections.abc import Mapping
from typing import Any


def api_key(headers: Mapping[str, str]) -> str | None:
    """The key of `Authorization: Bearer KEY` (RFC 6750) or of Basic with the key as user name (RFC 7617)."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    credentials = credentials.strip()
    match scheme.lower():
        case "bearer":
            return credentials or None
        case "basic":
            return _basic_user(credentials)
        case _:
            return None


def client_ip(scope: Mapping[str, Any]) -> str:
    """The peer's address, IPv4 as such on a socket for both families. Forwarded headers are not believed: anybody can write them, and networks restrict keys."""
    client = scope.get("client")
    return str(client[0]).removeprefix("::ffff:") if client else ""


def _basic_user(credentials: str) -> str | None:
    try:
        return binascii.a2b_base64(credentials, strict_mode=True).decode().partition(":")[0] or None
    except ValueError:
        return None
