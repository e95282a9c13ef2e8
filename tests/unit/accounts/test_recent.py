"""The cache of the last few seconds."""

import asyncio

import pytest

from posthouse.accounts.recent import Recent
from posthouse.model import limits


class Source:
    """Something slow that counts how often it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, str | None] = {"ann": "1"}
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self, key: str) -> str | None:
        self.asked.append(key)
        answer = self.answers.get(key)
        await self.gate.wait()
        return answer


async def test_an_answer_is_remembered_until_its_time_is_over(clock) -> None:
    source = Source()
    recent = Recent(clock, source.load)
    assert [await recent.get("ann"), await recent.get("ann")] == ["1", "1"]
    assert source.asked == ["ann"]
    clock.advance(limits.DIRECTORY_TTL_S)
    source.answers["ann"] = "2"
    assert await recent.get("ann") == "2"


async def test_what_is_at_hand_is_what_need_not_be_asked_for(clock) -> None:
    source = Source()
    recent = Recent(clock, source.load)
    assert recent.at_hand("ann") is None
    await recent.get("ann")
    assert recent.at_hand("ann") == "1"
    clock.advance(limits.DIRECTORY_TTL_S)
    assert recent.at_hand("ann") is None
    await recent.get("ann")
    recent.forget()
    assert recent.at_hand("ann") is None
    assert source.asked == ["ann", "ann"]


async def test_that_there_is_none_is_remembered_for_less_long(clock) -> None:
    source = Source()
    recent = Recent(clock, source.load)
    assert [await recent.get("ben"), await recent.get("ben")] == [None, None]
    assert source.asked == ["ben"]
    clock.advance(limits.DIRECTORY_MISS_TTL_S)
    source.answers["ben"] = "3"
    assert await recent.get("ben") == "3"
    source.answers["ben"] = None
    clock.advance(limits.DIRECTORY_TTL_S)
    assert await recent.get("ben") is None


async def test_many_who_ask_at_once_cost_one_question(clock) -> None:
    source = Source()
    recent = Recent(clock, source.load)
    assert await asyncio.gather(*(recent.get("ann") for _ in range(100))) == ["1"] * 100
    assert source.asked == ["ann"]


async def test_an_answer_on_its_way_when_everything_is_forgotten_is_not_kept(clock) -> None:
    source = Source()
    source.gate.clear()
    recent = Recent(clock, source.load)
    early = asyncio.ensure_future(recent.get("ann"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.answers["ann"] = None
    recent.forget()
    source.gate.set()
    assert await early == "1"
    assert await recent.get("ann") is None
    assert source.asked == ["ann", "ann"]


async def test_one_who_gives_up_does_not_disturb_the_others(clock) -> None:
    source = Source()
    source.gate.clear()
    recent = Recent(clock, source.load)
    first, second = asyncio.ensure_future(recent.get("ann")), asyncio.ensure_future(recent.get("ann"))
    await asyncio.sleep(0)
    first.cancel()
    source.gate.set()
    assert await second == "1"


async def test_a_failure_reaches_who_asked_and_is_not_kept(clock) -> None:
    async def load(key: str) -> str | None:
        raise ConnectionError(key)

    recent = Recent(clock, load)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await recent.get("ann")


async def test_guesses_cannot_push_out_what_is_in_use(clock, monkeypatch) -> None:
    monkeypatch.setattr(limits, "DIRECTORY_MISSES", 3)
    source = Source()
    recent = Recent(clock, source.load)
    await recent.get("ann")
    for number in range(10):
        await recent.get(f"guess {number}")
    source.asked.clear()
    await recent.get("ann")
    assert source.asked == []
    await recent.get("guess 0")
    assert source.asked == ["guess 0"]
