"""Sealing, and everything that must not open."""

import base64
import stat
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from posthouse.runtime.settings import Settings
from posthouse.runtime.vault import (
    KekError,
    LocalKey,
    Place,
    SealError,
    Vault,
    WrappedKey,
    ensure_kek,
    key_id_of,
    open_vault,
    read_kek,
)

WORKSPACE, OTHER = UUID(int=1), UUID(int=2)
PLACE = Place("dkim_keys", "sealed_private_key", WORKSPACE, "selector")
OLD, NEW = LocalKey(b"o" * 32), LocalKey(b"n" * 32)


@pytest.fixture
def vault() -> Vault:
    return Vault(OLD)


@pytest.fixture
def key(vault: Vault) -> WrappedKey:
    return vault.new_key(WORKSPACE, uuid4())


def test_what_was_sealed_opens_again(vault: Vault, key: WrappedKey) -> None:
    sealed = vault.seal(key, b"secret", PLACE)
    assert vault.open(key, sealed, PLACE) == b"secret"
    assert key_id_of(sealed) == key.key_id
    assert b"secret" not in sealed


def test_another_process_with_the_same_kek_opens_it(vault: Vault, key: WrappedKey) -> None:
    assert Vault(LocalKey(b"o" * 32)).open(key, vault.seal(key, b"secret", PLACE), PLACE) == b"secret"


def test_sealing_twice_gives_different_octets(vault: Vault, key: WrappedKey) -> None:
    assert vault.seal(key, b"secret", PLACE) != vault.seal(key, b"secret", PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("other", PLACE.column, WORKSPACE, PLACE.row_id),
        Place(PLACE.table, "other", WORKSPACE, PLACE.row_id),
        Place(PLACE.table, PLACE.column, OTHER, PLACE.row_id),
        Place(PLACE.table, PLACE.column, WORKSPACE, "other"),
    ],
)
def test_a_value_moved_elsewhere_does_not_open(vault: Vault, key: WrappedKey, elsewhere: Place) -> None:
    with pytest.raises(SealError):
        vault.open(key, vault.seal(key, b"secret", PLACE), elsewhere)


def test_any_changed_or_missing_octet_is_noticed(vault: Vault, key: WrappedKey) -> None:
    sealed = vault.seal(key, b"secret", PLACE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        for broken in (bytes(changed), sealed[:place]):
            with pytest.raises(SealError):
                vault.open(key, broken, PLACE)


def test_a_wrapped_key_opens_for_its_own_workspace_only(key: WrappedKey) -> None:
    with pytest.raises(SealError):
        Vault(OLD).seal(key, b"secret", Place("t", "c", OTHER, "r"))


def test_a_new_kek_takes_data_keys_over_and_the_old_one_is_not_needed_any_more(vault: Vault, key: WrappedKey) -> None:
    sealed = vault.seal(key, b"secret", PLACE)
    rewrapped = Vault(NEW, (OLD,)).rewrap(WORKSPACE, key)
    assert rewrapped.kek_id == NEW.kek_id != key.kek_id
    assert Vault(NEW).open(rewrapped, sealed, PLACE) == b"secret"
    with pytest.raises(SealError, match="not here"):
        Vault(NEW).open(key, sealed, PLACE)


def test_derived_secrets_differ_by_purpose_and_by_kek() -> None:
    assert len({Vault(OLD).derive("a"), Vault(OLD).derive("b"), Vault(NEW).derive("a")}) == 3
    assert Vault(OLD).derive("a") == Vault(OLD).derive("a")


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    assert ensure_kek(tmp_path / "kek")
    first = read_kek(tmp_path / "kek")
    assert not ensure_kek(tmp_path / "kek")
    assert read_kek(tmp_path / "kek") == first
    assert stat.S_IMODE((tmp_path / "kek").stat().st_mode) == 0o600


def test_a_key_in_the_settings_wins_over_the_file(tmp_path: Path) -> None:
    given = Settings().with_("server", data_dir=tmp_path, kek=base64.b64encode(b"o" * 32).decode())
    assert open_vault(given).kek_id == OLD.kek_id


def test_a_key_file_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kek").write_bytes(base64.b64encode(b"short"))
    with pytest.raises(KekError, match="32 octets"):
        read_kek(tmp_path / "kek")


def test_a_missing_key_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(KekError, match="copy it from the host that made it"):
        read_kek(tmp_path / "kek")
