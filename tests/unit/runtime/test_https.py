"""Files fetched from strangers: the right host or none, bounded in time and size, and never from inside."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
from tests.certificates import DAY, issued, now, pem
from tests.web_files import serving

from lab_servers import name_server
from posthouse.runtime.dns import Resolver
from posthouse.runtime.https import Fetched, HttpsClient, NotFetched, Trouble

pytestmark = pytest.mark.anyio
ROOT = issued(ca=True)
GOOD = issued("files.there.test", by=ROOT)


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"use_uvloop": True})


@asynccontextmanager
async def there(tmp_path, *, identity=GOOD, address="127.0.0.1", allow_private=True, record="A"):
    async with (
        serving(identity.context(tmp_path)) as files,
        name_server({("files.there.test.", record): [address]}) as names,
    ):
        resolver = Resolver([names.address], timeout_s=0.2)
        yield files, HttpsClient(resolver, port=files.port, ca_file=pem(tmp_path, ROOT), allow_private=allow_private)


async def fetch(client, limit_s=2.0, octets=1_000):
    return await client.get("files.there.test", "/.well-known/x.txt", limit_s=limit_s, octets=octets)


async def test_a_file_comes_with_its_status_and_media_type(tmp_path):
    async with there(tmp_path) as (files, client):
        files.say(b"hello", media_type="Text/Plain; charset=utf-8")
        assert await fetch(client) == Fetched(200, "text/plain", b"hello")
        assert files.heads[0].startswith("GET /.well-known/x.txt HTTP/1.1\r\nHost: files.there.test")
        files.say(b"gone", status="302 Found")
        assert await fetch(client) == Fetched(302, "text/plain", b"gone")
        assert len(files.heads) == 2


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_every_way_to_end_a_body_is_understood(tmp_path, answer, body):
    async with there(tmp_path) as (files, client):
        files.answer = answer
        fetched = await fetch(client)
        assert isinstance(fetched, Fetched), fetched
        assert fetched.body == body


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", Trouble.ANSWER),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", Trouble.ANSWER),
        (b"220 mx.there.test ESMTP\r\n", Trouble.ANSWER),
        (b"", Trouble.ANSWER),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, Trouble.SIZE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", Trouble.SIZE),
        (None, Trouble.TIME),
    ],
    ids=["short", "short chunk", "SMTP", "nothing", "large body", "large head", "silence"],
)
async def test_an_answer_that_cannot_be_used_is_no_answer(tmp_path, answer, trouble):
    async with there(tmp_path) as (files, client):
        files.answer = answer
        failed = await fetch(client, limit_s=0.5)
        assert isinstance(failed, NotFetched), failed
        assert failed.trouble is trouble


@pytest.mark.parametrize(
    "identity",
    [
        issued("files.there.test"),
        issued("other.there.test", by=ROOT),
        issued("files.there.test", by=ROOT, since=now() - 3 * DAY, until=now() - DAY),
    ],
    ids=["self-signed", "other name", "expired"],
)
async def test_only_the_right_host_is_believed(tmp_path, identity):
    async with there(tmp_path, identity=identity) as (files, client):
        files.say(b"forged")
        failed = await fetch(client)
        assert (failed.trouble, files.heads) == (Trouble.CERTIFICATE, [])


@pytest.mark.parametrize(
    ("address", "record"),
    [
        ("127.0.0.1", "A"),
        ("10.0.0.1", "A"),
        ("169.254.169.254", "A"),
        ("224.0.0.1", "A"),
        ("::1", "AAAA"),
        ("fd00::1", "AAAA"),
        ("::ffff:127.0.0.1", "AAAA"),
    ],
)
async def test_names_that_lead_inward_are_not_followed(tmp_path, address, record):
    async with there(tmp_path, address=address, record=record, allow_private=False) as (files, client):
        failed = await fetch(client)
        assert (failed.trouble, failed.detail) == (Trouble.NAME, "files.there.test: only addresses that are not public")
        assert not files.heads


async def test_a_name_without_address_and_a_port_without_server_are_told_apart(tmp_path):
    async with there(tmp_path) as (_, client):
        assert (await client.get("nowhere.test", "/", limit_s=1, octets=1)).trouble is Trouble.NAME
    async with name_server({("files.there.test.", "A"): ["127.0.0.1"]}) as names:
        closed = HttpsClient(Resolver([names.address]), port=1, allow_private=True)
        assert (await fetch(closed)).trouble is Trouble.CONNECTION


async def test_a_server_that_only_speaks_in_the_clear_is_not_understood(tmp_path):
    async def speak(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with name_server({("files.there.test.", "A"): ["127.0.0.1"]}) as names:
        port = plain.sockets[0].getsockname()[1]
        failed = await fetch(HttpsClient(Resolver([names.address]), port=port, allow_private=True))
        assert failed.trouble is Trouble.CONNECTION
    plain.close()


def test_the_context_asks_for_certificates():
    context = HttpsClient(Resolver(["127.0.0.1:1"]))._context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
