"""What a form of the opt-out page asks for, whoever posts it, and how much of an address it shows."""

import pytest

from posthouse.web.track.opt_out_pages import masked, read

FORM = "application/x-www-form-urlencoded"
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'  # as RFC 8058 8.2
)


@pytest.mark.parametrize(
    ("content_type", "body", "wish"),
    [
        (FORM, b"List-Unsubscribe=One-Click", ("stop", "type")),
        (f"{FORM}; charset=utf-8", b"List-Unsubscribe=One-Click\r\n", ("stop", "type")),
        ("", b"List-Unsubscribe=One-Click", ("stop", "type")),
        ("multipart/form-data; boundary=b", MULTIPART, ("stop", "type")),
        ("Multipart/Form-Data; boundary=b", MULTIPART, ("stop", "type")),
        (FORM, b"stop=type", ("stop", "type")),
        (FORM, b"stop=all", ("stop", "all")),
        (FORM, b"undo=type", ("undo", "type")),
        (FORM, b"undo=all", ("undo", "all")),
        (FORM, b"undo=everything", None),
        (FORM, b"List-Unsubscribe=Yes", None),
        (FORM, b"", None),
        (FORM, b"&".join([b"a=1"] * 20), None),
        ("multipart/form-data", MULTIPART, None),
        ("multipart/form-data; boundary=c", b"\xff\x00", None),
        (FORM, b"\xff\xfe=\x00", None),
    ],
)
def test_a_form_is_read_in_either_dress(content_type: str, body: bytes, wish: tuple[str, str] | None) -> None:
    assert read(content_type, body) == wish


@pytest.mark.parametrize(
    ("address", "shown"), [("anna.berg@example.org", "a…@example.org"), ("ø@example.org", "ø…@example.org")]
)
def test_its_owner_knows_an_address_and_nobody_else_does(address: str, shown: str) -> None:
    assert masked(address) == shown
