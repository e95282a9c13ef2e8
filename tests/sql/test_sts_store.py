"""MTA-STS policies from a real HTTPS server, kept in the database and in force for as long as they said."""

import asyncio
import contextlib
from collections import Counter
from contextlib import asynccontextmanager

import pytest
import structlog
from tests.certificates import issued, pem
from tests.web_files import serving

from lab_servers import name_server, until
from posthouse.delivery import sts_store
from posthouse.delivery.sts_store import StsStore
from posthouse.model import limits
from posthouse.runtime.dns import Resolver
from posthouse.runtime.https import HttpsClient
from posthouse.wire.mta_sts import Mode, StsPolicy

ROOT = issued(ca=True)
DAY = 86_400


class Tally:
    def __init__(self):
        self.results = Counter()

    def routed(self, *, secure):
        raise AssertionError("nothing is routed here")

    def ended(self, domain, policy, mx, result):
        self.results[domain, str(policy), mx, str(result)] += 1


class Place:
    """there.test with a policy that can be changed, and stores of several processes."""

    def __init__(self, database, clock, names, files, authority):
        self.database, self.clock, self.names, self.files = database, clock, names, files
        self.tally = Tally()
        self._authority = authority

    def publish(self, ident, mode="enforce", age=7 * DAY, mx="*.there.test"):
        if ident is None:
            self.names.zone["_mta-sts.there.test.", "TXT"] = ['"v=spf1 -all"']
        else:
            self.names.zone["_mta-sts.there.test.", "TXT"] = [f'"v=STSv1; id={ident};"']
        self.files.say(f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {age}\n".encode())

    def break_file(self):
        self.files.say(b"not here", status="404 Not Found")

    async def store(self):
        """A process starts."""
        resolver = Resolver([self.names.address], timeout_s=0.2, clock=self.clock)
        https = HttpsClient(resolver, port=self.files.port, ca_file=self._authority, allow_private=True)
        store = StsStore(self.database, resolver, https, self.clock, structlog.get_logger(), self.tally)
        await store.load()
        return store

    @property
    def fetches(self):
        return len(self.files.heads)


@pytest.fixture
async def place(database, clock, tmp_path):
    async with _place(database, clock, tmp_path, issued("mta-sts.there.test", by=ROOT)) as place:
        yield place


@asynccontextmanager
async def _place(database, clock, folder, identity):
    zone = {("mta-sts.there.test.", "A"): ["127.0.0.1"]}
    async with serving(identity.context(folder)) as files, name_server(zone) as names:
        names.ttl = 1  # so that every question is asked anew once the clock has moved
        yield Place(database, clock, names, files, pem(folder, ROOT))


def enforced(age=7 * DAY):
    return StsPolicy(Mode.ENFORCE, ("*.there.test",), age)


async def settled(store):
    """Until nothing is being fetched in the background."""
    await until(lambda: not store._fetching)


async def test_an_announced_policy_is_fetched_once_and_is_known_to_the_next_process(place):
    place.publish("1")
    store = await place.store()
    assert await store.find("there.test") == enforced()
    assert "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.there.test" in place.files.heads[0]
    assert await store.find("there.test") == enforced()
    assert await (await place.store()).find("there.test") == enforced()
    assert place.fetches == 1
    assert not place.tally.results


async def test_many_mails_to_a_new_domain_wait_for_one_fetch(place):
    place.publish("1")
    store = await place.store()
    found = await asyncio.gather(*(store.find("there.test") for _ in range(20)))
    assert found == [enforced()] * 20
    assert place.fetches == 1


async def test_a_domain_that_announces_nothing_has_no_policy_and_costs_no_fetch(place):
    place.publish(None)
    assert await (await place.store()).find("there.test") is None
    assert place.fetches == 0


async def test_a_policy_stays_in_force_when_record_and_file_are_gone(place, clock):
    place.publish("1")
    store = await place.store()
    await store.find("there.test")
    place.publish(None)
    place.break_file()
    clock.advance(6 * DAY)
    assert await store.find("there.test") == enforced()
    assert await (await place.store()).find("there.test") == enforced()
    clock.advance(2 * DAY)
    assert await store.find("there.test") is None
    assert await (await place.store()).find("there.test") is None


async def test_a_new_id_is_fetched_in_the_background_while_the_old_policy_is_in_force(place, clock):
    place.publish("1")
    store = await place.store()
    await store.find("there.test")
    place.publish("2", mode="testing")
    clock.advance(10)
    assert await store.find("there.test") == enforced()
    await settled(store)
    assert (await store.find("there.test")).mode is Mode.TESTING
    assert place.fetches == 2


async def test_a_new_id_whose_file_cannot_be_had_leaves_the_old_policy_in_force(place, clock):
    place.publish("1")
    store = await place.store()
    await store.find("there.test")
    place.publish("2")
    place.break_file()
    clock.advance(10)
    await store.find("there.test")
    await settled(store)
    assert await store.find("there.test") == enforced()
    assert place.tally.results == {("there.test", "sts", "", "sts-policy-fetch-error"): 1}


@pytest.mark.parametrize(
    ("body", "changes", "result"),
    [
        (b"nothing here", {"status": "404 Not Found"}, "sts-policy-fetch-error"),
        (b"over there", {"status": "301 Moved Permanently"}, "sts-policy-fetch-error"),
        (b"x" * 70_000, {}, "sts-policy-fetch-error"),
        (b"version: STSv2\n", {}, "sts-policy-invalid"),
        (b"version: STSv1\nmode: none\nmax_age: 1\n", {"media_type": "text/html"}, "sts-policy-invalid"),
    ],
    ids=["missing", "redirect", "endless", "invalid", "not text"],
)
async def test_a_policy_that_cannot_be_had_is_counted_and_asked_for_again_after_a_while(
    place, clock, body, changes, result
):
    place.publish("1")
    place.files.say(body, **changes)
    store = await place.store()
    for _ in range(3):
        assert await store.find("there.test") is None
    assert place.fetches == 1
    assert place.tally.results == {("there.test", "sts", "", result): 1}
    place.publish("1")
    clock.advance(limits.STS_REFUSED_S + 1)
    assert await store.find("there.test") == enforced()


async def test_a_policy_host_with_a_wrong_certificate_is_not_believed(database, clock, tmp_path):
    async with _place(database, clock, tmp_path, issued("mta-sts.there.test")) as place:
        place.publish("1")
        assert await (await place.store()).find("there.test") is None
        assert place.tally.results == {("there.test", "sts", "", "sts-webpki-invalid"): 1}


async def test_mail_waits_for_a_silent_policy_host_no_longer_than_the_limit(place, monkeypatch):
    monkeypatch.setattr(limits, "STS_FIRST_S", 0.1)
    place.publish("1")
    place.files.answer = None
    store = await place.store()
    async with asyncio.timeout(30):
        assert await store.find("there.test") is None
    assert store._fetching  # it goes on in the background
    await _stopped(asyncio.create_task(store.run()))
    assert not store._fetching


async def test_a_policy_in_use_is_fetched_anew_long_before_it_ends(place, clock):
    place.publish("1")
    store, other = await place.store(), await place.store()
    await store.find("there.test")
    await store.round()
    assert place.fetches == 1
    clock.advance(DAY + 1)
    await asyncio.gather(store.round(), other.round())
    assert place.fetches == 2
    clock.advance(DAY + 1)
    await store.round()
    assert place.fetches == 2  # nobody has asked for it since
    clock.advance(6 * DAY - 10)
    assert await store.find("there.test") == enforced()


async def test_a_short_policy_is_fetched_anew_at_half_its_life(place, clock):
    place.publish("1", age=3_600)
    store = await place.store()
    await store.find("there.test")
    clock.advance(1_801)
    await store.round()
    assert place.fetches == 2


async def test_what_one_process_fetches_the_others_know_within_a_round(place, clock):
    other = await place.store()
    place.publish("1")
    await (await place.store()).find("there.test")
    place.publish(None)
    clock.advance(60)
    assert await other.find("there.test") is None
    await other.round()
    assert await other.find("there.test") == enforced()


async def test_ended_policies_leave_the_table(place, clock, database):
    place.publish("1")
    store = await place.store()
    await store.find("there.test")
    clock.advance(8 * DAY)
    await store.round()
    assert await database.fetchval("SELECT count(*) FROM sts_policies") == 0


async def test_without_the_database_a_policy_is_in_force_all_the_same(place, monkeypatch):
    place.publish("1")
    store = await place.store()

    class Gone:
        async def execute(self, *_):
            raise ConnectionResetError("the server is away")

    monkeypatch.setattr(store, "_pool", Gone())
    assert await store.find("there.test") == enforced()


async def test_the_rounds_follow_each_other_until_they_are_cancelled(place, clock, monkeypatch):
    monkeypatch.setattr(sts_store, "_ROUND_S", 0.01)
    place.publish("1")
    store = await place.store()
    await store.find("there.test")
    clock.advance(DAY + 1)
    running = asyncio.create_task(store.run())
    await until(lambda: place.fetches == 2)
    await _stopped(running)


async def _stopped(task):
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
