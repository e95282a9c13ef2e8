"""Signatures by the example of the specification."""

from posthouse.webhooks import signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    body = b'{"test": 2432232314}'
    signed = signature.sign([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_give_two_signatures_the_newest_first() -> None:
    other = signature.secret_of(b"x" * signature.SECRET_OCTETS)
    both = signature.sign([other, SECRET], "id", 1, b"{}").split(" ")
    assert both == [signature.sign([other], "id", 1, b"{}"), signature.sign([SECRET], "id", 1, b"{}")]


def test_the_fields_a_consumer_needs_are_there() -> None:
    names = [name for name, _ in signature.headers([SECRET], "id", 1, b"{}")]
    assert names == ["Content-Type", "webhook-id", "webhook-timestamp", "webhook-signature"]
