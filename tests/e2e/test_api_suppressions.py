"""Who is not written to, by JSON and CSV over a real socket, on a real database."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.web_server import Web, running

from posthouse.accounts import audit
from posthouse.intake.suppressing import OWN_WISH
from posthouse.ledger import bounced as listing
from posthouse.ledger import suppression
from posthouse.ledger.bounced import Bounced, BounceType
from posthouse.ledger.suppression import EVERYTHING, MARKETING, Entry, New
from posthouse.model import limits
from posthouse.runtime.postgres import Pool, transaction

MESSAGE: dict[str, Any] = {"from": "ann@example.com", "to": "bo@example.org", "subject": "Hello", "text": "It works."}
CSV = {"content-type": "text/csv"}


@pytest.fixture
async def web(make_process: Any) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


async def add(web: Web, *entries: dict[str, Any] | str) -> httpx.Response:
    items = [{"address": each} if isinstance(each, str) else each for each in entries]
    return await web.client.post("/v1/suppressions", json={"suppressions": items})


async def listed(web: Web, **query: Any) -> list[tuple[str, str, str]]:
    response = await web.client.get("/v1/suppressions", params=query)
    assert response.status_code == 200, response.text
    return [(each["address"], each["scope"], each["reason"]) for each in response.json()["suppressions"]]


def pointers(response: httpx.Response) -> list[str]:
    assert response.status_code == 422, response.text
    return [error["pointer"] for error in response.json()["errors"]]


async def status(web: Web, mail_class: str = "transactional") -> str:
    response = await web.client.post("/v1/messages", json=MESSAGE | {"class": mail_class}, params={"dry_run": 1})
    return str(response.json()["recipients"][0]["status"])


async def workspace(web: Web) -> UUID:
    submitter = await web.rooms.directory.by_api_key(web.key, "127.0.0.1")
    assert submitter is not None
    return submitter.workspace_id


async def bounced(web: Web, *addresses: str, workspace_id: UUID | None = None) -> None:
    """As delivery writes it."""
    async with transaction(web.process.pool) as connection:
        new = [New(address, Entry(EVERYTHING, "hard_bounce")) for address in addresses]
        owner = workspace_id or await workspace(web)
        await suppression.add_many(connection, owner, new, "delivery", web.process.clock.now())


async def opted_out(web: Web, address: str) -> None:
    """As the page behind an opt-out link writes it."""
    async with transaction(web.process.pool) as connection:
        new = [New(address, Entry(MARKETING, "unsubscribe"))]
        await suppression.add_many(connection, await workspace(web), new, "recipient", web.process.clock.now())


async def key_with(web: Web, *scopes: str) -> dict[str, str]:
    made = await web.client.post("/v1/keys", json={"name": "limited", "scopes": list(scopes)})
    return {"authorization": f"Bearer {made.json()['key']}"}


async def test_an_address_is_suppressed_shown_and_lifted_again(web: Web) -> None:
    entry = {"address": "Bo@Example.org", "reason": "unsubscribe", "note": "by telephone"}
    made = await add(web, entry, "eve@example.org")
    assert (made.status_code, made.json()) == (201, {"added": 2, "known": 0})
    assert (await add(web, entry)).json() == {"added": 0, "known": 1}
    assert (await status(web), await status(web, "marketing")) == ("ready", "suppressed")
    shown = (await web.client.get("/v1/suppressions", params={"address": "bo@"})).json()["suppressions"][0]
    assert shown.pop("created_at")
    assert shown.pop("added_by").startswith("key:")
    assert shown == {
        "address": "bo@example.org", "scope": "marketing", "reason": "unsubscribe", "message_id": None,
        "note": "by telephone", "expires_at": None, "active": True,
    }  # fmt: skip
    path = "/v1/suppressions/BO@example.org"
    assert pointers(await web.client.delete(path)) == ["?reason"]
    lifted = await web.client.delete(path, params={"reason": "She asked"})
    assert [each["reason"] for each in lifted.json()["removed"]] == ["unsubscribe"]
    assert (await web.client.delete(path, params={"reason": "She asked"})).status_code == 404
    assert await status(web, "marketing") == "ready"
    last = (await audit.page(web.process.pool, await workspace(web), None, 1))[0]
    assert (last.action, last.subject, last.detail["reason"]) == ("suppression.remove", "bo@example.org", "She asked")


async def test_only_the_reader_takes_back_an_opt_out_of_his_own(web: Web) -> None:
    await opted_out(web, "bo@example.org")
    await add(web, {"address": "bo@example.org", "reason": "complaint"}, "eve@example.org")
    lift = {"reason": "we want to write to him"}
    first = await web.client.delete("/v1/suppressions/bo@example.org", params=lift)
    assert [each["reason"] for each in first.json()["removed"]] == ["complaint"], "what he did not say himself"
    again = await web.client.delete("/v1/suppressions/bo@example.org", params=lift)
    assert (again.status_code, again.json()["detail"]) == (409, OWN_WISH)
    body = lift | {"addresses": ["bo@example.org", "eve@example.org"]}
    both = await web.client.post("/v1/suppressions/remove", json=body)
    assert [each["address"] for each in both.json()["removed"]] == ["eve@example.org"]
    assert (await web.client.post("/v1/suppressions/remove", json=body)).status_code == 409
    assert await status(web, "marketing") == "suppressed"


async def test_several_are_lifted_at_once_or_one_scope_of_them(web: Web) -> None:
    await add(web, "bo@example.org", {"address": "bo@example.org", "scope": "marketing"}, "eve@example.org")
    body = {"addresses": ["bo@example.org", "eve@example.org", "nobody@example.org"], "reason": "a slip"}
    one = await web.client.post("/v1/suppressions/remove", json=body | {"scope": "marketing"})
    assert [(each["address"], each["scope"]) for each in one.json()["removed"]] == [("bo@example.org", "marketing")]
    both = await web.client.post("/v1/suppressions/remove", json=body)
    assert len(both.json()["removed"]) == 2
    assert await listed(web) == []


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ({"address": "nobody"}, "/suppressions/1/address"),
        ({"address": "a@x.test", "scope": "all"}, "/suppressions/1/scope"),
        ({"address": "a@x.test", "scope": "marketing", "reason": "invalid"}, "/suppressions/1/scope"),
        ({"address": "a@x.test", "reason": "spite"}, "/suppressions/1/reason"),
        ({"address": "a@x.test", "expires_at": "2020-01-01T00:00:00Z"}, "/suppressions/1/expires_at"),
        ({"address": "a@x.test", "expires_at": "soon"}, "/suppressions/1/expires_at"),
        ({"address": "a@x.test", "note": "x" * 501}, "/suppressions/1/note"),
        ({"address": "a@x.test", "colour": "red"}, "/suppressions/1/colour"),
    ],
)
async def test_one_bad_entry_keeps_all_out_and_is_named(web: Web, entry: dict[str, Any], wrong: str) -> None:
    assert pointers(await add(web, "good@x.test", entry)) == [wrong]
    assert await listed(web) == []


async def test_ten_thousand_come_in_one_request_and_no_more(web: Web) -> None:
    most = limits.SUPPRESSIONS_ADDED
    made = await add(web, *(f"p{n}@x.test" for n in range(most)))
    assert made.json() == {"added": most, "known": 0}
    assert pointers(await add(web, *(f"p{n}@x.test" for n in range(most + 1)))) == ["/suppressions"]


async def test_the_list_is_narrowed_and_read_page_by_page(web: Web) -> None:
    await add(web, *({"address": f"p{n:02}@x.test", "reason": "complaint" if n % 2 else "manual"} for n in range(25)))
    await add(web, {"address": "p03@x.test", "scope": "mailing_type:News", "reason": "unsubscribe"})
    assert len(await listed(web, reason="complaint")) == 12
    assert await listed(web, address="P03@") == [
        ("p03@x.test", "mailing_type:News", "unsubscribe"),
        ("p03@x.test", "marketing", "complaint"),
    ]
    assert len(await listed(web, scope="mailing_type:News")) == 1
    assert await listed(web, since="2090-01-01T00:00:00Z") == []
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query: dict[str, Any] = {"limit": 4} | ({"cursor": cursor} if cursor else {})
        page = (await web.client.get("/v1/suppressions", params=query)).json()
        seen += [each["address"] for each in page["suppressions"]]
        cursor = page["next"]
    assert len(seen) == 26
    assert seen == sorted(seen)
    for bad in ("x", "////", "WyJhIl0=", "WyJhXHUwMDAwIiwiYiIsImMiXQ=="):
        assert pointers(await web.client.get("/v1/suppressions", params={"cursor": bad})) == ["?cursor"]


async def test_a_key_does_no_more_than_its_scopes_say(web: Web) -> None:
    reader = await key_with(web, "read")
    sender = await key_with(web, "send")
    for method, path in (
        ("POST", "/v1/suppressions"),
        ("POST", "/v1/suppressions/remove"),
        ("POST", "/v1/suppressions/import"),
        ("DELETE", "/v1/suppressions/a@x.test?reason=x"),
        ("POST", "/v1/invalid-addresses/clear"),
    ):
        response = await web.client.request(method, path, headers=reader)
        assert response.status_code == 403, path
    for path in (
        "/v1/suppressions",
        "/v1/suppressions/export",
        "/v1/invalid-addresses",
        "/v1/invalid-addresses/export",
    ):
        assert (await web.client.get(path, headers=reader)).status_code == 200
        assert (await web.client.get(path, headers=sender)).status_code == 403


async def test_a_file_is_read_as_it_arrives_and_sent_as_it_is_read(web: Web) -> None:
    count = 2 * limits.CSV_BATCH + 7

    async def lines() -> AsyncIterator[bytes]:
        yield b"email;grund\n"
        for n in range(0, count, 500):
            yield b"".join(b"p%05d@x.test;x\n" % m for m in range(n, min(n + 500, count)))
        yield b'broken;"\n=1+1@x.test;\n'

    query = {"scope": "marketing", "reason": "unsubscribe"}
    response = await web.client.post("/v1/suppressions/import", content=lines(), headers=CSV, params=query)
    assert response.status_code == 200, response.text
    done = response.json()
    assert (done["lines"], done["added"], done["known"], done["refused"]) == (count + 2, count + 1, 0, 1)
    assert done["problems"][0]["line"] == count + 2
    async with web.client.stream("GET", "/v1/suppressions/export") as export:
        assert export.headers["content-type"] == "text/csv; charset=utf-8"
        assert "content-length" not in export.headers
        content = await export.aread()
    rows = list(csv.DictReader(io.StringIO(content.decode(), "")))
    assert len(rows) == count + 1
    assert rows[0]["address"] == "'=1+1@x.test"
    assert {(row["scope"], row["reason"]) for row in rows} == {("marketing", "unsubscribe")}
    again = await web.client.post("/v1/suppressions/import", content=content, headers=CSV)
    assert (again.json()["added"], again.json()["known"], again.json()["refused"]) == (0, count + 1, 0)


async def test_an_upload_that_breaks_off_leaves_whole_batches_and_can_be_repeated(web: Web) -> None:
    body = b"".join(b"p%05d@x.test\n" % n for n in range(limits.CSV_BATCH + 100))
    _, writer = await asyncio.open_connection("127.0.0.1", web.port)
    head = (
        f"POST /v1/suppressions/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {web.key}\r\n"
        f"Content-Type: text/csv\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    async with asyncio.timeout(20):
        while True:
            if await listed(web):
                break
            await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()
    again = await web.client.post("/v1/suppressions/import", content=body, headers=CSV)
    assert (again.json()["added"], again.json()["known"]) == (100, limits.CSV_BATCH)


@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b"", CSV, 422),
        (b"name\nAnna\n", CSV, 422),
        (b"a@x.test\n", {"content-type": "application/json"}, 415),
        (b"a@x.test\n", CSV, 200),
    ],
)
async def test_what_is_no_list_is_refused(web: Web, content: bytes, headers: dict[str, str], code: int) -> None:
    response = await web.client.post("/v1/suppressions/import", content=content, headers=headers)
    assert response.status_code == code, response.text


async def invalid(web: Web, cursor: str = "", **query: Any) -> dict[str, Any]:
    asked = query | ({"cursor": cursor} if cursor else {})
    response = await web.client.get("/v1/invalid-addresses", params=asked)
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


async def test_invalid_addresses_come_once_with_what_their_message_knew(web: Web) -> None:
    sent = await web.client.post("/v1/messages", json=MESSAGE | {"metadata": {"external_id": "cust-7"}})
    async with transaction(web.process.pool) as connection:
        new = New("bo@example.org", Entry(EVERYTHING, "hard_bounce"), UUID(sent.json()["id"]))
        await suppression.add_many(connection, await workspace(web), [new], "delivery", web.process.clock.now())
    await add(web, {"address": "eve@x.test", "reason": "invalid", "note": "=moved"}, "manual@x.test")
    first = await invalid(web, limit=1)
    assert first["more"]
    second = await invalid(web, first["next"])
    found = {each["address"]: each for each in (*first["addresses"], *second["addresses"])}
    assert found.keys() == {"bo@example.org", "eve@x.test"}
    assert found["bo@example.org"]["external_id"] == "cust-7"
    assert found["bo@example.org"]["message_id"] == sent.json()["id"]
    assert found["eve@x.test"]["message_id"] is None
    assert not second["more"]
    end = await invalid(web, second["next"])
    assert end == {"addresses": [], "next": second["next"], "more": False}
    export = await web.client.get("/v1/invalid-addresses/export", params={"limit": 1})
    assert export.headers["next-cursor"] == first["next"]
    rest = await web.client.get("/v1/invalid-addresses/export", params={"cursor": export.headers["next-cursor"]})
    both = [*csv.DictReader(io.StringIO(export.text)), *csv.DictReader(io.StringIO(rest.text))]
    assert {row["external_id"] for row in both} == {"cust-7", ""}
    assert {row["note"] for row in both} == {"", "'=moved"}
    assert await invalid(web, since="2090-01-01T00:00:00Z") == {"addresses": [], "next": "0", "more": False}
    assert pointers(await web.client.get("/v1/invalid-addresses", params={"cursor": "x"})) == ["?cursor"]


async def test_no_address_is_missed_or_told_twice_while_others_are_being_added(web: Web, owner: Pool) -> None:
    """Four writers whose transactions take different times, one of them for the whole test, and two readers."""
    workspace_id, pool, writing = await workspace(web), web.process.pool, True

    async def writer(number: int) -> None:
        for n in range(40):
            async with transaction(pool) as connection:
                new = [New(f"w{number}-{n}-{m}@x.test", Entry(EVERYTHING, "hard_bounce")) for m in range(3)]
                await suppression.add_many(connection, workspace_id, new, "delivery", web.process.clock.now())
                await asyncio.sleep(0.002 * number)

    async def slow() -> None:
        async with transaction(owner) as connection:
            new = [New("slow@x.test", Entry(EVERYTHING, "hard_bounce"))]
            await suppression.add_many(connection, workspace_id, new, "delivery", web.process.clock.now())
            await asyncio.gather(*(writer(number) for number in range(4)))

    async def reader() -> list[str]:
        seen: list[str] = []
        cursor, last = "", False
        while True:
            page = await invalid(web, cursor, limit=7)
            seen += [each["address"] for each in page["addresses"]]
            cursor = page["next"]
            if last and not page["addresses"]:
                return seen
            last = not writing

    readers = [asyncio.create_task(reader()) for _ in range(2)]
    await slow()
    writing = False
    expected = {f"w{number}-{n}-{m}@x.test" for number in range(4) for n in range(40) for m in range(3)} | {
        "slow@x.test"
    }
    for seen in await asyncio.gather(*readers):
        assert len(seen) == len(set(seen))
        assert set(seen) == expected


async def test_an_address_is_cleared_by_a_new_one_or_because_it_exists(web: Web) -> None:
    await bounced(web, "bo@example.org", "eve@x.test")
    await add(web, {"address": "eve@x.test", "reason": "complaint"})

    async def clear(**body: str) -> httpx.Response:
        return await web.client.post("/v1/invalid-addresses/clear", json={"reason": "She called"} | body)

    assert pointers(await clear(address="bo@example.org", new_address="eve@x.test")) == ["/new_address"]
    assert pointers(await clear(address="bo@example.org", new_address="bo@Example.org")) == ["/new_address"]
    assert pointers(await clear(address="bo@example.org", new_address="nothing")) == ["/new_address"]
    done = await clear(address="BO@example.org", new_address="Bo@example.net")
    assert done.json() == {"address": "bo@example.org", "new_address": "bo@example.net"}
    assert await status(web) == "suppressed", "the old address stays blocked"
    assert (await clear(address="eve@x.test")).status_code == 200
    assert await listed(web, address="eve@") == [("eve@x.test", "marketing", "complaint")]
    assert (await clear(address="eve@x.test")).status_code == 404
    page = await invalid(web)
    assert page["addresses"] == []
    last = (await audit.page(web.process.pool, await workspace(web), None, 2))[1]
    assert (last.action, last.detail["new_address"]) == ("address.replace", "Bo@example.net")
    await bounced(web, "eve@x.test")
    assert [each["address"] for each in (await invalid(web, page["next"]))["addresses"]] == ["eve@x.test"]


async def test_another_workspace_shows_nothing_and_changes_nothing(web: Web) -> None:
    await bounced(web, "hidden@x.test", workspace_id=UUID(int=7))
    assert await listed(web) == []
    assert "hidden" not in (await web.client.get("/v1/suppressions/export")).text
    assert (await invalid(web))["addresses"] == []
    gone = await web.client.delete("/v1/suppressions/hidden@x.test", params={"reason": "x"})
    clear = await web.client.post("/v1/invalid-addresses/clear", json={"address": "hidden@x.test", "reason": "x"})
    assert (gone.status_code, clear.status_code) == (404, 404)
    async with web.process.pool.acquire() as connection:
        assert await suppression.entries_of(connection, UUID(int=7), ["hidden@x.test"])


async def test_bounced_addresses_are_listed_by_kind_and_time_counted_and_paged(web: Web) -> None:
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    kinds = [BounceType.HARD, BounceType.SOFT, BounceType.HARD, BounceType.BLOCKED]
    rows = [
        Bounced(f"b{n}@example.org", kind, noon, noon + timedelta(days=n), 1, "mailbox_full", 552, "5.2.2", "=full", UUID(int=7))
        for n, kind in enumerate(kinds)
    ]  # fmt: skip
    async with web.process.pool.acquire() as connection:
        await listing.note(connection, await workspace(web), rows)
        await listing.note(connection, UUID(int=9), rows)

    async def addresses(**query: Any) -> list[str]:
        response = await web.client.get("/v1/bounced-addresses", params=query)
        assert response.status_code == 200, response.text
        return [each["address"][:2] for each in response.json()["addresses"]]

    assert await addresses() == await addresses(type="any") == ["b2", "b1", "b0"]
    assert (await addresses(type="soft"), await addresses(type="blocked")) == (["b1"], ["b3"])
    assert await addresses(since="2026-03-11T00:00:00Z") == ["b2", "b1"]
    assert await addresses(until="2026-03-11T00:00:00Z") == ["b0"]
    assert await addresses(since="2026-03-11T00:00:00Z", until="2026-03-12T00:00:00Z") == ["b1"]
    assert (await addresses(on="2026-03-11"), await addresses(on="2026-03-11", **{"not": 1})) == (["b1"], ["b2", "b0"])
    assert await addresses(limit=1, offset=1) == ["b1"]
    first = (await web.client.get("/v1/bounced-addresses", params={"limit": 2})).json()
    assert await addresses(cursor=first["next"]) == ["b0"]
    counted = await web.client.get("/v1/bounced-addresses/count", params={"type": "hard"})
    assert counted.json() == {"count": 2}
    for bad in (
        {"on": "2026-02-30"},
        {"on": "2026-03-11", "since": "2026-03-11T00:00:00Z"},
        {"not": 1},
        {"cursor": "x"},
    ):
        assert len(pointers(await web.client.get("/v1/bounced-addresses", params=bad))) == 1
    reader = await key_with(web, "read")
    file = await web.client.get("/v1/bounced-addresses/export", params={"type": "soft"}, headers=reader)
    (line,) = csv.DictReader(io.StringIO(file.text))
    assert (line["address"], line["said"], line["last_at"]) == ("b1@example.org", "'=full", "2026-03-11T12:00:00Z")
    assert (await web.client.get("/v1/bounced-addresses", headers=await key_with(web, "send"))).status_code == 403
