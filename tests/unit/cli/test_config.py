"""`posthouse config` and the list of commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from posthouse.cli.config import check, sample
from posthouse.cli.world import Where
from posthouse.runtime import settings_source


def test_the_sample_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    sample()
    assert capsys.readouterr().out == settings_source.sample()


def test_a_check_names_what_is_wrong_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.toml").write_text("[web]\nprot = 1\n")
    with pytest.raises(SystemExit, match="2"):
        check(where=Where(config=tmp_path / "p.toml"))
    assert capsys.readouterr().out == "web.prot: there is no such setting\n"


def test_a_check_reads_the_rules_for_receivers_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shaping.toml").write_text("[default]\nconnections = 'many'\n")
    (tmp_path / "p.toml").write_text(f'[delivery]\nshaping_file = "{tmp_path}/shaping.toml"\n')
    with pytest.raises(SystemExit, match="2"):
        check(where=Where(config=tmp_path / "p.toml"))
    assert "default.connections" in capsys.readouterr().out


def test_a_good_file_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.toml").write_text("[web]\nport = 1\n")
    with pytest.raises(SystemExit, match="0"):
        check(where=Where(config=tmp_path / "p.toml"))
    assert "fine" in capsys.readouterr().out


@pytest.mark.parametrize("module", ["posthouse.cli.role", "posthouse.cli.main"])
def test_starting_loads_no_room_and_a_daemon_no_command_line(module: str) -> None:
    script = f"import sys, {module}; print([m for m in ('rich', 'litestar', 'posthouse.web', 'posthouse.intake') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
