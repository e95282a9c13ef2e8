from posthouse.intake.login_limits import LoginLimits
from posthouse.model.limits import AUTH_BURST, AUTH_SOURCE_BURST


def test_a_user_name_is_locked_for_the_address_that_guessed_and_for_nobody_else() -> None:
    limits = LoginLimits()
    assert all(limits.spend("ws1-aaaaaaaa", "192.0.2.1", 0) for _ in range(AUTH_BURST))
    assert limits.spend("ws1-aaaaaaaa", "192.0.2.1", 0) is None
    assert limits.spend("WS1-AAAAAAAA", "192.0.2.1", 0) is None
    assert limits.spend("ws1-aaaaaaaa", "192.0.2.2", 0)
    assert limits.spend("ws1-bbbbbbbb", "192.0.2.1", 0)


def test_an_address_that_tries_many_names_is_turned_away_without_costing_the_names() -> None:
    limits = LoginLimits()
    assert all(limits.spend(f"ws1-{number}", "2001:db8::1", 0) for number in range(AUTH_SOURCE_BURST))
    for _ in range(AUTH_BURST * 2):
        assert limits.spend("ws1-victim", "2001:db8::2", 0) is None  # the same /64
    assert limits.spend("ws1-victim", "2001:db8::2", 10_000)


def test_right_logins_never_use_it_up() -> None:
    limits = LoginLimits()
    for _ in range(AUTH_SOURCE_BURST * 2):
        attempt = limits.spend("ws1-aaaaaaaa", "192.0.2.1", 0)
        assert attempt
        limits.refund(attempt)
