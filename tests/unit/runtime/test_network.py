"""Ports and certificates."""

import socket
import ssl
import stat
from pathlib import Path

import pytest

from posthouse.runtime.network import PortError, bind, ensure_self_signed, server_tls
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
