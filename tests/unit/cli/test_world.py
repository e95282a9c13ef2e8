"""Where commands believe the pages to be."""

from pathlib import Path

from posthouse.cli.world import public_url
from posthouse.runtime import data_folder
from posthouse.runtime.settings import Settings


def _kept_in(folder: Path) -> Settings:
    return Settings().with_("server", data_dir=folder)


def test_before_the_first_start_the_pages_are_where_the_settings_put_them(tmp_path: Path) -> None:
    assert public_url(_kept_in(tmp_path)) == "http://127.0.0.1:8080"


def test_after_a_start_on_other_ports_a_link_leads_to_these(tmp_path: Path) -> None:
    data_folder.note_address(tmp_path, "http://127.0.0.1:8600")
    data_folder.note_address(tmp_path, "http://127.0.0.1:9000")
    assert public_url(_kept_in(tmp_path)) == "http://127.0.0.1:9000"


def test_a_public_address_in_the_settings_goes_before_the_last_start(tmp_path: Path) -> None:
    data_folder.note_address(tmp_path, "http://127.0.0.1:8600")
    settings = _kept_in(tmp_path).with_("web", public_url="https://mail.example.com/")
    assert public_url(settings) == "https://mail.example.com"
