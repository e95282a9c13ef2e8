"""Who reads only the beginning of what a command says: `posthouse ... | head`."""

import subprocess
import sys
from pathlib import Path

ENDED_BY_SIGPIPE = 141


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    replies = tmp_path / "replies"
    replies.write_bytes(b"550 5.1.1 User unknown\n" * 5_000)  # their verdicts are more than any pipe holds
    command = [sys.executable, "-m", "posthouse.cli.main", "bounce", "explain", "--reply"]
    environ = {"PYTHONPATH": ":".join(sys.path)}
    with (
        replies.open("rb") as given,
        subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process,
    ):
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", ENDED_BY_SIGPIPE)
