"""What is remembered of sites whose TLS broke."""

from tests.conftest import ManualClock

from posthouse.delivery.broken_tls import BrokenTls
from posthouse.model.limits import SITES_WITH_BROKEN_TLS
from posthouse.wire.tlsrpt import ResultType


def test_it_is_remembered_as_long_as_was_said_with_the_way_it_broke():
    clock = ManualClock()
    broken = BrokenTls(clock)
    broken.remember("a", ResultType.CERTIFICATE_EXPIRED, 60)
    broken.remember("b", None, 30)
    assert broken.result("a") is ResultType.CERTIFICATE_EXPIRED
    assert broken.result("b") is ResultType.VALIDATION_FAILURE
    assert broken.result("c") is None
    clock.advance(31)
    assert broken.result("b") is None
    broken.remember("a", ResultType.VALIDATION_FAILURE, 60)
    clock.advance(59)
    assert broken.result("a") is ResultType.VALIDATION_FAILURE
    clock.advance(1)
    assert broken.result("a") is None


def test_past_the_limit_the_oldest_is_forgotten():
    broken = BrokenTls(ManualClock())
    for number in range(SITES_WITH_BROKEN_TLS):
        broken.remember(f"site{number}", None, 60)
    broken.remember("site0", None, 60)
    broken.remember("one more", None, 60)
    assert broken.result("site0")
    assert broken.result("site1") is None
    assert broken.result("one more")
