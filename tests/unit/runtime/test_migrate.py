"""Which migrations are applied, and when a start is refused."""

import pytest

from posthouse.runtime.migrate import Applied, Migration, MigrationError, pending, shipped, with_option

ONE, TWO = Migration(1, "0001_a.sql", "SELECT 1"), Migration(2, "0002_b.sql", "SELECT 2")


def applied(*migrations: Migration) -> list[Applied]:
    return [Applied(each.number, each.name, each.checksum) for each in migrations]


def test_what_is_not_applied_yet_is_pending_in_order() -> None:
    assert pending([ONE, TWO], []) == [ONE, TWO]
    assert pending([ONE, TWO], applied(ONE)) == [TWO]
    assert pending([ONE, TWO], applied(ONE, TWO)) == []


def test_a_changed_migration_is_refused_by_name() -> None:
    with pytest.raises(MigrationError, match=r"0001_a\.sql was changed"):
        pending([Migration(1, "0001_a.sql", "SELECT 3"), TWO], applied(ONE))


def test_a_newer_database_is_refused() -> None:
    with pytest.raises(MigrationError, match=r"newer than this program.*0002_b\.sql"):
        pending([ONE], applied(ONE, TWO))


def test_a_gap_in_the_numbers_is_refused() -> None:
    with pytest.raises(MigrationError, match="not numbered"):
        pending([ONE, Migration(3, "0003_c.sql", "")], [])


def test_the_shipped_files_have_no_gap() -> None:
    assert pending(shipped(), []) == shipped() != []


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://u@h/d", "postgresql://u@h/d?role=a"),
        ("postgresql://u:p@/d?host=%2Frun", "postgresql://u:p@/d?host=%2Frun&role=a"),
        ("postgresql://u@h/d?role=a", "postgresql://u@h/d?role=a"),
    ],
)
def test_an_option_joins_those_of_a_dsn(dsn: str, expected: str) -> None:
    assert with_option(dsn, "role", "a") == expected
