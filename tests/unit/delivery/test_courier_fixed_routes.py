import pytest

from posthouse.delivery.courier import Plan, Target
from posthouse.delivery.courier_mx import fixed_route
from posthouse.wire.sasl import Credentials


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("127.0.0.1:2626", Plan("127.0.0.1:2626", (Target("127.0.0.1", "127.0.0.1", 2626),))),
        ("Relay.Example:25", Plan("relay.example:25", (Target("relay.example", "relay.example", 25),))),
        ("[::1]:25", Plan("::1:25", (Target("::1", "::1", 25),))),
        ("a%40b:c%3Ad@h.test:587", Plan("h.test:587", (Target("h.test", "h.test", 587),), Credentials("a@b", "c:d"))),
    ],
)
def test_a_fixed_route_is_read(text, plan):
    assert fixed_route(text) == plan


@pytest.mark.parametrize("text", ["", "host", "host:", ":25", "host:0", "host:70000", "host:25/x", "host:25?x"])
def test_a_route_that_cannot_be_read_is_refused_at_once(text):
    with pytest.raises(ValueError):
        fixed_route(text)


def test_a_password_is_not_shown_by_accident():
    assert "secret" not in repr(fixed_route("me:secret@h.test:587"))
