"""What a session may answer to an SMTP server's question, and what a session is."""

from collections.abc import Coroutine
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from posthouse.wire.smtp_server_events import Question


class Yes(NamedTuple):
    """Accept, in the machine's words or in these."""

    text: str = ""


class No(NamedTuple):
    """Refuse with this reply; 421 also ends the connection."""

    code: int
    enhanced: str
    text: str


class HangUp(Enum):
    """Say nothing and end the connection."""

    NOW = "now"


Answer: TypeAlias = Yes | No | HangUp
LaterAnswer: TypeAlias = Coroutine[Any, Any, Answer]

STORAGE_GONE: Final = No(451, "4.3.0", "Storage is out of reach for a moment, please try again")
LOCAL_ERROR: Final = No(451, "4.3.0", "Local error, please try again")
TOO_LATE: Final = No(451, "4.4.5", "The answer took too long, please try again")


class Session(Protocol):
    """What a listener's owner decides about one connection."""

    def opened(self) -> bool | Coroutine[Any, Any, bool]:
        """Before the banner: whether the client is trusted for its address, so that AUTH may be left out."""

    def answer(self, question: Question) -> Answer | LaterAnswer:
        """Decide. Exceptions become 451 4.3.0 and are logged."""
