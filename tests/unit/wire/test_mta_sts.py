"""MTA-STS records, policy files and what they cover."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model.limits import STS_MAX_AGE_S, STS_MIN_AGE_S
from posthouse.wire import mta_sts
from posthouse.wire.mta_sts import Mode, PolicyError, StsPolicy

FILE = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v=STSv1 ; foo=bar; id = a1 ;"], "a1"),
        (["v=spf1 -all", "v=STSv1; id=1;"], "1"),
        ([], None),
        (["v=STSv1; id=1;", "v=STSv1; id=2;"], None),  # RFC 8461 3.1: several are none
        (["v=STSv1; id=not-alphanumeric;"], None),
        (["v=STSv1; id=" + "x" * 33], None),
        (["v=STSv1"], None),
        (["v=stsv1; id=1"], None),
        (["v=STSv12; id=1"], None),
    ],
)
def test_only_one_clear_record_announces_a_policy(texts, found):
    assert mta_sts.record_id(texts) == found


@pytest.mark.parametrize(
    ("body", "policy"),
    [
        (FILE, StsPolicy(Mode.ENFORCE, ("mail.example.com", "*.example.net"), 604_800)),
        (FILE.replace(b"\r\n", b"\n"), StsPolicy(Mode.ENFORCE, ("mail.example.com", "*.example.net"), 604_800)),
        (
            FILE.replace(b"enforce", b"testing") + b"mode: enforce\r\nfuture: field\r\nnonsense\r\n",
            StsPolicy(Mode.TESTING, ("mail.example.com", "*.example.net"), 604_800),
        ),
        (b"version: STSv1\nmode: none\nmax_age: 86400", StsPolicy(Mode.NONE, (), 86_400)),
        (
            b"version:STSv1\nmode:enforce\nmx: MAIL.Example.COM.\nmax_age:99999999",
            StsPolicy(Mode.ENFORCE, ("mail.example.com",), STS_MAX_AGE_S),
        ),
        (b"version: STSv1\nmode: enforce\nmx: a.b\nmax_age: 0", StsPolicy(Mode.ENFORCE, ("a.b",), STS_MIN_AGE_S)),
    ],
)
def test_a_policy_file_is_read_as_the_rfc_says(body, policy):
    assert mta_sts.policy(body) == policy


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "version"),
        (FILE.replace(b"STSv1", b"STSv2"), "version"),
        (FILE.replace(b"enforce", b"strict"), "mode"),
        (FILE.replace(b"604800", b"-1"), "max_age"),
        (FILE.replace(b"604800", b"a week"), "max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1", "names no mx"),
        (FILE.replace(b"mail.", b"mail .."), "host name"),
        (FILE.replace(b"*.", b"*"), "host name"),
        (FILE.replace(b"*.example", b"a.*.example"), "host name"),
        (b"\xff" + FILE, "UTF-8"),
        (b"<!DOCTYPE html><html>not found</html>", "version"),
    ],
)
def test_a_file_that_is_no_policy_says_why(body, reason):
    with pytest.raises(PolicyError, match=reason):
        mta_sts.policy(body)


@given(st.binary(max_size=200))
def test_no_file_breaks_the_reader(body):
    with contextlib.suppress(PolicyError):
        assert mta_sts.policy(FILE + body).max_age_s == 604_800


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("mail.example.com", True),
        ("mx1.example.net", True),
        ("example.net", False),
        ("a.b.example.net", False),
        ("mail.example.com.evil.test", False),
        ("evilmail.example.com", False),
        ("*.example.net", True),  # as an exchange it is nonsense, and its certificate will say so
    ],
)
def test_a_wildcard_stands_for_one_label(host, covered):
    assert mta_sts.policy(FILE).covers(host) is covered


def test_only_enforce_forbids_and_none_asks_for_nothing():
    asked = {mode: StsPolicy(mode, ("a.b",), 1) for mode in Mode}
    assert [mode for mode, policy in asked.items() if policy.enforced] == [Mode.ENFORCE]
    assert [mode for mode, policy in asked.items() if not policy.announced] == [Mode.NONE]
