"""pg_dump and pg_restore are never told the password where others can read it."""

import pytest

from posthouse.runtime.dump import _without_password


@pytest.mark.parametrize(
    ("dsn", "bare", "password"),
    [
        ("postgresql://ann:p%40ss@db/mail", "postgresql://ann@db/mail", "p@ss"),
        ("postgresql://ann:x@/mail?host=%2Frun&port=5432", "postgresql://ann@/mail?host=%2Frun&port=5432", "x"),
        ("postgresql://ann@db:5433/mail", "postgresql://ann@db:5433/mail", None),
        ("postgresql://db/mail", "postgresql://db/mail", None),
    ],
)
def test_the_password_of_a_dsn_goes_by_the_environment(dsn: str, bare: str, password: str | None) -> None:
    assert _without_password(dsn) == (bare, {} if password is None else {"PGPASSWORD": password})
