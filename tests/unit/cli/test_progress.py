"""What a long command says while it works."""

import pytest

from posthouse.cli.progress import Progress, sentence

MB = 1_000_000


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "said"),
    [
        (120 * MB, 400 * MB, 2.0, "Reading: 120 of 400 MB, 60.0 MB/s, 5 s left"),
        (120 * MB, None, 2.0, "Reading: 120 MB, 60.0 MB/s"),
        (0, 400 * MB, 2.0, "Reading: 0 of 400 MB, 0.0 MB/s"),
        (1 * MB, None, 0.0, "Reading: 1 MB, 0.0 MB/s"),
        (500 * MB, 400 * MB, 5.0, "Reading: 500 of 400 MB, 100.0 MB/s, 0 s left"),
    ],
)
def test_a_sentence_has_amount_rate_and_the_time_left_where_the_end_is_known(
    done: int, total: int | None, elapsed_s: float, said: str
) -> None:
    assert sentence("Reading", done, total, elapsed_s) == said


def test_nothing_is_said_about_what_takes_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("Reading", 10)
    progress.advance(10)
    progress.end()
    assert capsys.readouterr() == ("", "")
