"""`posthouse report read` on files as they lie about."""

import gzip
import json
from pathlib import Path

import pytest

from posthouse.cli import report

XML = """<feedback><report_metadata><org_name>Receiver[bold]</org_name><report_id>77</report_id>
<date_range><begin>1709683200</begin><end>1709769599</end></date_range></report_metadata>
<policy_published><domain>example.com</domain><p>reject</p></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>1200</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim>
<spf>fail</spf></policy_evaluated></row><identifiers><header_from>example.com</header_from></identifiers></record></feedback>"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    good, bad = tmp_path / "good.xml.gz", tmp_path / "bad.xml"
    good.write_bytes(gzip.compress(XML.encode()))
    bad.write_text(XML[:300])
    return good, bad


def test_a_report_is_told_in_words_and_a_table(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    report.read(files[0])
    said = capsys.readouterr().out
    assert "DMARC report 77 of Receiver[bold] about example.com, 2024-03-06 00:00 to 2024-03-06 23:59 UTC" in said
    assert "1,200 messages, 1,200 passed, 0 failed; policy reject." in said
    assert "192.0.2.1" in said


def test_each_file_is_one_line_of_json_and_a_refusal_shows_in_the_exit_status(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        report.read(*files, as_json=True)
    assert ended.value.code == 1
    good, bad = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    (found,) = good["reports"]
    assert (found["kind"], found["messages"], found["passed"], found["begin"]) == (
        "dmarc-aggregate",
        1200,
        1200,
        1709683200,
    )
    assert found["rows"][0]["source_ip"] == "192.0.2.1"
    assert not bad["reports"]
    assert bad["refused"][0]["reason"] == "broken"


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        report.read(tmp_path / "none.xml")
    assert ended.value.code == 2
    assert "none.xml: No such file or directory." in capsys.readouterr().err
