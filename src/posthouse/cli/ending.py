"""How a command ends: what an operator can mend is told in one line, with an exit status of its own, never in a traceback."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final, Never, TypeVar

import uvloop

from posthouse.runtime.data_folder import FolderError
from posthouse.runtime.embedded_runner import EmbeddedError
from posthouse.runtime.migrate import MigrationError
from posthouse.runtime.network import PortError
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.settings_source import SettingsError
from posthouse.runtime.supervisor import RoleError
from posthouse.runtime.vault import KekError

_Result = TypeVar("_Result")

EXIT_FAILED: Final = 1
EXIT_SETTINGS: Final = 2
EXIT_DATABASE: Final = 3
EXIT_INTERRUPTED: Final = 130
_COMPLAINTS: Final = (FolderError, EmbeddedError, MigrationError, PortError, RoleError, KekError)


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a command's coroutine. What the operator can mend is told in one line, with an exit status of its own."""
    try:
        return uvloop.run(coroutine)
    except SettingsError as error:
        _leave(EXIT_SETTINGS, *error.problems)
    except _COMPLAINTS as error:
        _leave(EXIT_FAILED, str(error))
    except DATABASE_GONE as error:
        _leave(EXIT_DATABASE, f"the database cannot be reached: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(EXIT_INTERRUPTED)


def _leave(status: int, *lines: str) -> Never:
    for line in lines:
        print(f"posthouse: {line}", file=sys.stderr)
    sys.exit(status)
