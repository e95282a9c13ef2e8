"""Signatures made here and made by a signer beside: the same ones, whatever becomes of it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace

import psutil
import pytest
import structlog
from tests.lab_servers import until

from posthouse.delivery import signing
from posthouse.delivery.signer import ANSWER, DIGEST, HEADER, KEY
from posthouse.delivery.signing import Signing
from posthouse.runtime import crypto_mb
from posthouse.wire import dkim, dkim_keys
from posthouse.wire.dkim_keys import Algorithm, SigningKey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left_behind")]

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RSA = dkim_keys.generate(Algorithm.RSA, "example.test", "one")
ED25519 = dkim_keys.generate(Algorithm.ED25519, "example.test", "two")


def message(number: int) -> bytes:
    return b"From: ann@example.test\r\nSubject: %d\r\n\r\nHello\r\n" % number


def here(number: int, keys: tuple[SigningKey, ...] = (RSA, ED25519)) -> bytes:
    return dkim.sign(message(number), keys, NOW)


async def there(signing: Signing, number: int, keys: tuple[SigningKey, ...] = (RSA, ED25519)) -> bytes:
    return (await signing.sign([dkim.drafts(message(number), keys, NOW)]))[0]


def signers() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [child for child in found if "posthouse.delivery.signer" in child.cmdline()]


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.fixture
async def busy(cores: None) -> AsyncIterator[Signing]:
    """One that has had so much to do that it has a signer beside it."""
    async with signing.opened(structlog.get_logger(), None) as opened:
        await asyncio.gather(*(there(opened, number) for number in range(60)))
        await until(lambda: opened.is_beside)
        yield opened
    assert signers() == []


async def test_a_few_mails_are_signed_in_the_process_itself(cores: None) -> None:
    async with signing.opened(structlog.get_logger(), None) as opened:
        assert [await there(opened, number) for number in range(20)] == [here(number) for number in range(20)]
        assert not opened.is_beside
        assert signers() == []


async def test_on_a_single_core_there_is_no_signer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    async with signing.opened(structlog.get_logger(), None) as opened:
        for number in range(200):
            await there(opened, number)
        assert signers() == []


async def test_a_signer_makes_the_same_signatures_in_whatever_order_they_are_asked_for(busy: Signing) -> None:
    assert len(signers()) == 1
    made = await asyncio.gather(*(there(busy, number) for number in range(500)))
    assert made == [here(number) for number in range(500)]


async def test_many_keys_and_keys_that_change_under_their_name(busy: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_KEYS", 3)
    keys = [dkim_keys.generate(Algorithm.RSA, f"{number}.test", "s") for number in range(5)]
    keys.append(dkim_keys.generate(Algorithm.RSA, "4.test", "s"))
    for _ in range(2):
        made = await asyncio.gather(*(there(busy, number, (key,)) for number, key in enumerate(keys)))
        assert made == [here(number, (key,)) for number, key in enumerate(keys)]


async def test_a_signer_that_is_killed_takes_no_mail_with_it_and_is_replaced(
    busy: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "_AGAIN_S", 0.0)
    asked = [asyncio.create_task(there(busy, number)) for number in range(300)]
    await asyncio.sleep(0)
    (first,) = signers()
    first.kill()
    assert await asyncio.gather(*asked) == [here(number) for number in range(300)]
    await until(lambda: not busy.is_beside)
    await until(lambda: not signers())
    await asyncio.gather(*(there(busy, number) for number in range(60)))
    await until(lambda: busy.is_beside)
    assert [child.pid for child in signers()] != [first.pid]


async def test_a_signer_that_no_longer_answers_is_ended_and_its_mail_signed_here(
    busy: Signing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "_LATE_S", 0.2)
    (child,) = signers()
    child.suspend()
    asked = [asyncio.create_task(there(busy, number)) for number in range(300)]
    assert await asyncio.gather(*asked) == [here(number) for number in range(300)]
    await until(lambda: not signers())
    assert await there(busy, 1) == here(1)


async def test_who_no_longer_waits_disturbs_nobody(busy: Signing) -> None:
    asked = [asyncio.create_task(there(busy, number)) for number in range(20)]
    await asyncio.sleep(0)
    for task in asked[::2]:
        task.cancel()
    assert await asyncio.gather(*asked[1::2]) == [here(number) for number in range(1, 20, 2)]


async def test_the_signal_that_ends_a_whole_group_leaves_the_signer_to_the_mail_that_is_ending(busy: Signing) -> None:
    (child,) = signers()
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGINT)
    assert await there(busy, 1) == here(1)
    assert signers() == [child]


def killed_at_work() -> tuple[bytes, int]:
    """What a signer says, and its status, whose other end goes away without reading its answers."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "posthouse.delivery.signer"]
        child = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with ours:
        assert ours.recv(2) == ANSWER.pack(0)
        der = dkim_keys.dump(RSA)
        ours.sendall(HEADER.pack(KEY, 0, len(der)) + der + (HEADER.pack(DIGEST, 0, 32) + b"x" * 32) * 200)
        ours.recv(1)  # it is at work
    said, _ = child.communicate(timeout=10)
    return said, child.returncode


async def test_a_signer_whose_process_was_killed_ends_without_a_word() -> None:
    assert await asyncio.to_thread(killed_at_work) == (b"", 0)


async def test_where_none_can_be_started_the_process_signs_itself(cores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "sys", SimpleNamespace(executable="/nowhere"))
    async with signing.opened(structlog.get_logger(), None) as opened:
        made = await asyncio.gather(*(there(opened, number) for number in range(200)))
        assert made == [here(number) for number in range(200)]


async def test_where_several_are_signed_at_once_no_signer_is_needed(cores: None) -> None:
    lanes = crypto_mb.lanes()
    if lanes is None:
        pytest.skip("this processor has no AVX-512 IFMA")
    async with signing.opened(structlog.get_logger(), lanes) as opened:
        assert opened.at_once == 8
        many = [dkim.drafts(message(number), (RSA, ED25519), NOW) for number in range(200)]
        assert await opened.sign(many) == [here(number) for number in range(200)]
        assert not opened.is_beside
        assert signers() == []
