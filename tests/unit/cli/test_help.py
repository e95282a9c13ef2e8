"""Every command explains itself: what it does, how it ends, and an example that names it."""

import importlib
from collections.abc import Callable, Iterator

import pytest
from cyclopts import App

from posthouse.cli import main


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command that does something."""
    for name, place, _ in main.COMMANDS:
        module, _, attribute = place.partition(":")
        target = getattr(importlib.import_module(module), attribute)
        if isinstance(target, App):
            yield from ((name, verb) for verb in target if not verb.startswith("-"))
        else:
            yield (name,)


@pytest.fixture
def help_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[tuple[str, ...]], str]:
    """What `posthouse WORDS --help` prints."""

    def printed(words: tuple[str, ...]) -> str:
        monkeypatch.setattr("sys.argv", ["posthouse", *words, "--help"])
        main.build().help_print(list(words))
        return capsys.readouterr().out

    return printed


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_says_what_it_does_with_an_example_of_itself(
    words: tuple[str, ...], help_of: Callable[[tuple[str, ...]], str]
) -> None:
    said = help_of(words)
    assert f"Usage: posthouse {' '.join(words)}" in said
    assert "For example:" in said
    assert said.count(f"posthouse {' '.join(words)}") >= 2


@pytest.mark.parametrize("noun", ["message", "queue", "shaping", "backup", "restore", "domain", "key", "user"])
def test_what_touches_an_installation_says_its_exit_statuses(
    noun: str, help_of: Callable[[tuple[str, ...]], str]
) -> None:
    for words in (words for words in commands() if words[0] == noun):
        assert "Exit status: 0" in help_of(words), words
