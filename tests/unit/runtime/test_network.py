"""Ports, addresses and certificates."""

import contextlib
import ipaddress
import socket
import ssl
import stat
from pathlib import Path

import pytest

from posthouse.runtime.network import PortError, bind, ensure_self_signed, own_addresses, server_tls
from posthouse.runtime.settings import Settings


def test_two_processes_of_ours_share_a_port() -> None:
    with bind("127.0.0.1", 0, "web.port") as first:
        bind("127.0.0.1", first.getsockname()[1], "web.port").close()


def test_a_port_somebody_uses_is_refused_with_its_number_and_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PortError, match=rf"port {port} is taken .*submission\.tls_port .*POSTHOUSE_SUBMISSION_TLS_PORT"
        ):
            bind("127.0.0.1", port, "submission.tls_port")


def test_asking_whether_a_port_is_free_notices_a_process_that_would_share_it() -> None:
    with bind("127.0.0.1", 0, "web.port") as first, pytest.raises(PortError):
        bind("127.0.0.1", first.getsockname()[1], "web.port", shared=False)


def test_an_address_of_another_machine_is_explained() -> None:
    with pytest.raises(PortError, match=r"192\.0\.2\.1 is no address of this machine: correct inbound\.host"):
        bind("192.0.2.1", 0, "inbound.port")


def test_a_star_is_every_address() -> None:
    with bind("*", 0, "web.port") as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=5).close()


def test_a_self_signed_certificate_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = ensure_self_signed(tmp_path / "tls", "mail.test").read_bytes()
    again = ensure_self_signed(tmp_path / "tls", "mail.test")
    assert again.read_bytes() == first
    assert stat.S_IMODE(again.stat().st_mode) == 0o600


def test_a_client_that_trusts_the_certificate_completes_the_handshake(tmp_path: Path) -> None:
    settings = Settings().with_("server", data_dir=tmp_path, hostname="mail.test")
    server_side = server_tls(settings)
    client_side = ssl.create_default_context(cafile=str(ensure_self_signed(tmp_path / "tls", "mail.test")))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname="mail.test")
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"


def inbound(**fields: object) -> Settings:
    return Settings().with_("inbound", **fields)


def primary_address(family: socket.AddressFamily, elsewhere: str) -> str | None:
    """The address this machine would use to reach another one; connecting a datagram socket sends nothing."""
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((elsewhere, 25))
        return str(probe.getsockname()[0])
    return None


def test_a_star_is_found_at_every_address_of_this_machine_and_at_no_other() -> None:
    found = own_addresses(inbound())
    assert "127.0.0.1" in found
    primary = {primary_address(socket.AF_INET, "192.0.2.200"), primary_address(socket.AF_INET6, "2001:db8::200")} - {
        None
    }
    assert primary <= set(found)
    assert len(found) == len(set(found))
    for address in found:
        parsed = ipaddress.ip_address(address)
        if not parsed.is_link_local:
            bind(str(parsed), 0, "inbound.port").close()


@pytest.mark.parametrize(
    ("host", "families"), [("*", {4, 6}), ("0.0.0.0", {4}), ("::", {6}), ("192.0.2.7", {4}), ("2001:db8::7", {6})]
)
def test_only_addresses_the_inbound_role_listens_on_are_its_own(host: str, families: set[int]) -> None:
    assert {ipaddress.ip_address(address).version for address in own_addresses(inbound(host=host))} <= families


def test_an_address_of_its_own_is_the_only_one() -> None:
    assert own_addresses(inbound(host="192.0.2.7")) == ("192.0.2.7",)
    assert own_addresses(inbound(host="nowhere.invalid")) == ()


def test_on_another_port_or_another_machine_somebody_else_answers_the_world() -> None:
    assert own_addresses(inbound(port=2525)) == ()
    assert own_addresses(inbound().with_("processes", inbound=0)) == ()
