"""Posting to strangers: to the right host or to nobody, never inward, bounded in time and size, over connections that are kept."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.hook_consumer import consuming

from lab_servers import name_server
from posthouse.runtime.dns import Resolver
from posthouse.runtime.http_post import HttpPoster, Patience, Posted, Target
from posthouse.runtime.https import NotFetched, Trouble
from posthouse.runtime.reach import PUBLIC, Reach, networks

pytestmark = pytest.mark.anyio
LOOPBACK = Reach(networks(["127.0.0.0/8"]))
QUICK = Patience(1.0, 1.0, 10)


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"use_uvloop": True})


@asynccontextmanager
async def poster(records=None, reach=LOOPBACK):
    async with name_server(records or {("hooks.test.", "A"): ["127.0.0.1"]}) as names:
        made = HttpPoster(Resolver([names.address], timeout_s=0.2), reach)
        try:
            yield made
        finally:
            made.close()


def target(consumer, path="/x", host="hooks.test"):
    return Target(False, host, consumer.port, path)


async def post(made, where, body=b"{}", patience=QUICK):
    return await made.post(where, [("X-Name", "value")], body, patience)


async def test_a_request_comes_whole_and_its_answer_goes_back_as_far_as_it_is_wanted():
    async with consuming() as consumer, poster() as made:
        consumer.act = answering(b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\nHello, world")
        answer = await post(made, target(consumer, "/a?b=c"), b'{"a": 1}')
        assert answer == Posted(201, b"Hello, wor", "127.0.0.1")
        (hook,) = consumer.hooks
        assert (hook.path, hook.body, hook.headers["x-name"]) == ("/a?b=c", b'{"a": 1}', "value")
        assert hook.headers["host"] == f"hooks.test:{consumer.port}"


async def test_a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_replaced():
    async with consuming() as consumer, poster() as made:
        for _ in range(3):
            assert (await post(made, target(consumer))).status == 204
        assert consumer.connections == 1

        async def once_more(_):
            return b"" if len(consumer.hooks) == 4 else 200

        consumer.act = once_more  # hangs up on the kept connection, as a server does with an idle one
        assert (await post(made, target(consumer))).status == 200
        assert consumer.connections == 2


async def test_an_answer_that_is_not_understood_or_not_complete_is_none():
    for said in (b"220 mail.test ESMTP\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"):
        async with poster() as made:

            async def speak(reader, writer, said=said):
                await reader.readuntil(b"{}")
                writer.write(said)
                writer.close()

            server = await asyncio.start_server(speak, "127.0.0.1", 0)
            answer = await post(made, Target(False, "hooks.test", server.sockets[0].getsockname()[1], "/"))
            server.close()
            assert isinstance(answer, NotFetched), answer
            assert answer.trouble is Trouble.ANSWER


async def test_redirects_are_answers_and_are_not_followed():
    async with consuming() as consumer, poster() as made:
        consumer.act = answering(b"HTTP/1.1 302 Found\r\nLocation: http://hooks.test/y\r\nContent-Length: 0\r\n\r\n")
        assert (await post(made, target(consumer))).status == 302
        assert len(consumer.hooks) == 1


async def test_an_interim_answer_is_not_the_answer():
    async with consuming() as consumer, poster() as made:
        consumer.act = answering(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        )
        assert await post(made, target(consumer)) == Posted(200, b"ok", "127.0.0.1")


async def test_an_endless_answer_is_cut_off_and_its_connection_not_used_again():
    async with consuming() as consumer, poster() as made:
        consumer.act = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 200_000)
        assert await post(made, target(consumer)) == Posted(200, b"x" * 10, "127.0.0.1")
        consumer.act = answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000)
        assert isinstance(await post(made, target(consumer)), NotFetched)
        assert consumer.connections == 2


async def test_what_follows_an_answer_unasked_spoils_the_connection():
    async with consuming() as consumer, poster() as made:
        one = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        consumer.act = answering(one + b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        assert [(await post(made, target(consumer))).status for _ in range(2)] == [200, 200]
        assert consumer.connections == 2


async def test_silence_ends_with_the_time():
    async with consuming() as consumer, poster() as made:

        async def act(_):
            await asyncio.sleep(30)
            return 200

        consumer.act = act
        answer = await post(made, target(consumer), patience=Patience(1.0, 0.3, 10))
        assert answer.trouble is Trouble.TIME


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("A", "127.0.0.1"),
        ("A", "10.0.0.1"),
        ("A", "172.16.5.5"),
        ("A", "192.168.0.1"),
        ("A", "169.254.169.254"),
        ("A", "100.100.100.200"),
        ("A", "0.0.0.0"),
        ("A", "224.0.0.1"),
        ("AAAA", "::1"),
        ("AAAA", "::"),
        ("AAAA", "::ffff:10.0.0.1"),
        ("AAAA", "::ffff:127.0.0.1"),
        ("AAAA", "64:ff9b::7f00:1"),
        ("AAAA", "fd00:ec2::254"),
        ("AAAA", "fe80::1"),
    ],
)
async def test_names_and_literals_that_lead_inward_are_not_followed(kind, address):
    async with consuming() as consumer, poster({("hooks.test.", kind): [address]}, PUBLIC) as made:
        for host in ("hooks.test", address):
            for tls in (True, False):
                answer = await post(made, Target(tls, host, consumer.port, "/"))
                assert isinstance(answer, NotFetched)
                assert answer.trouble is Trouble.NAME
        assert consumer.connections == 0


async def test_a_name_that_changes_its_mind_is_judged_again_at_each_connect():
    records = {("hooks.test.", "A"): ["127.0.0.1"]}
    async with consuming() as consumer, name_server(records) as names:
        names.ttl = 0
        made = HttpPoster(Resolver([names.address], timeout_s=0.2), Reach(networks(["127.0.0.1"])))
        consumer.act = answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        assert (await post(made, target(consumer))).status == 200
        records[("hooks.test.", "A")] = ["127.0.0.2"]
        answer = await post(made, target(consumer))
        assert (answer.trouble, consumer.connections) == (Trouble.NAME, 1)
        records[("hooks.test.", "A")] = ["10.0.0.1", "127.0.0.1"]
        answer = await post(made, target(consumer))
        assert (answer.remote, consumer.connections) == ("127.0.0.1", 2)


async def test_without_tls_only_what_the_operator_allowed_is_spoken_to():
    async with poster({("hooks.test.", "A"): ["8.8.8.8"]}) as made:
        answer = await post(made, Target(False, "hooks.test", 80, "/"))
        assert answer == NotFetched(Trouble.NAME, "hooks.test: only addresses that may not be spoken to without TLS")


async def test_a_port_without_a_server_and_a_name_without_address_are_told_apart():
    async with poster() as made:
        assert (await post(made, Target(False, "hooks.test", 1, "/"))).trouble is Trouble.CONNECTION
        assert (await post(made, Target(False, "nowhere.test", 1, "/"))).trouble is Trouble.NAME


def answering(octets):
    async def act(_):
        return octets

    return act
