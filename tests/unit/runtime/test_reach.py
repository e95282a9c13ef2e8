"""Which addresses may be dialled for a stranger."""

from ipaddress import ip_network

import pytest

from posthouse.runtime.reach import ANYWHERE, PUBLIC, Reach, networks


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
        "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1",
        "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:a00:1::1", "2002:7f00:1::", "3fff::1",
        "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
        "", "localhost", "127.1", "0x7f000001", "2130706433",
    ],
)  # fmt: skip
def test_what_is_not_on_the_public_internet_is_not_dialled(address: str) -> None:
    assert not PUBLIC.may_connect(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_what_is_on_it_may_be(address: str) -> None:
    assert PUBLIC.may_connect(address)


def test_an_operator_may_allow_networks_and_only_those() -> None:
    reach = Reach(networks(["10.1.0.0/16", "fd12::/32", "192.168.7.1"]))
    assert all(map(reach.may_connect, ("10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "192.168.7.1", "8.8.8.8")))
    assert not any(map(reach.may_connect, ("10.2.0.1", "fd13::1", "192.168.7.2", "127.0.0.1")))
    assert reach.is_allowed("10.1.2.3")
    assert not reach.is_allowed("8.8.8.8")


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.1\.0\.1/16"):
        networks(["10.1.0.1/16"])
    assert networks(["::1"]) == (ip_network("::1/128"),)


def test_anywhere_is_anywhere() -> None:
    assert ANYWHERE.may_connect("127.0.0.1")
    assert ANYWHERE.may_connect("::ffff:10.0.0.1")
