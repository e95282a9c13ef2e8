"""`posthouse config`: the settings, documented and checked."""

import sys
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from posthouse.cli.world import EXIT_SETTINGS, Where
from posthouse.runtime import settings_source

app = App(name="config", help="Print and check settings.")


@app.command
def sample() -> None:
    """Print a whole settings file: every field, what it does, and its default.

    For example:

        posthouse config sample > /etc/posthouse/posthouse.toml
    """
    sys.stdout.write(settings_source.sample())


@app.command
def check(
    *,
    json: Annotated[bool, Parameter(negative="", help="Print problems as one JSON list.")] = False,
    where: Annotated[Where, Parameter(name="*")] = Where(),  # noqa: B008 - frozen
) -> None:
    """Read the settings as `posthouse up` would, and say everything that is wrong with them. Exit status 2 if something is.

    For example:

        posthouse config check --config posthouse.toml
    """
    problems = _problems(where)
    if json:
        print(msgspec.json.encode(problems).decode())
    else:
        print("\n".join(problems) or "The settings are fine.")
    sys.exit(EXIT_SETTINGS if problems else 0)


def _problems(where: Where) -> list[str]:
    from posthouse.delivery.rules import RulesError  # here: only a check pays for it
    from posthouse.delivery.shaping_file import rules_of

    try:
        rules_of(where.settings())
    except (settings_source.SettingsError, RulesError) as error:
        return list(error.problems)
    return []
