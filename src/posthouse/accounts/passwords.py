"""Passwords of people: argon2id (RFC 9106), hashed away from the event loop."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from posthouse.model import limits
from posthouse.model.errors import FieldProblem

_Answer = TypeVar("_Answer")

_HASHER: Final = PasswordHasher()
_THREADS: Final = ThreadPoolExecutor(limits.PASSWORD_THREADS, "argon2")


async def hashed(password: str) -> str:
    """The hash to store, with its parameters and salt."""
    return await _in_thread(lambda: _HASHER.hash(password))


async def matches(password: str, stored: str | None) -> bool:
    """Whether it is the password; takes as long when there is none to compare with."""
    return await _in_thread(lambda: _verified(password, stored or _nobody())) and stored is not None


def problems(password: str, email: str) -> tuple[FieldProblem, ...]:
    """Why a new password is not accepted. Length is what counts (NIST SP 800-63B 3.1.1.2); no rules about its characters."""
    if len(password) < limits.PASSWORD_CHARS_LEAST:
        detail = f"A password has at least {limits.PASSWORD_CHARS_LEAST} characters."
        return (FieldProblem("/password", "too_short", detail),)
    if len(password) > limits.PASSWORD_CHARS_MOST:
        return (
            FieldProblem("/password", "too_long", f"A password has at most {limits.PASSWORD_CHARS_MOST} characters."),
        )
    if password.casefold() in {email.casefold(), email.casefold().rpartition("@")[0]}:
        return (FieldProblem("/password", "too_obvious", "The password is the mail address."),)
    return ()


@functools.cache
def _nobody() -> str:
    # Verified when there is no such account, so that an unknown address takes as long to refuse as a wrong password.
    return _HASHER.hash("nobody has this password")


def _verified(password: str, stored: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError, UnicodeError):
        return False


async def _in_thread(work: Callable[[], _Answer]) -> _Answer:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
