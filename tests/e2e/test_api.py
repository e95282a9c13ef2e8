"""The JSON API over a real socket, on a real database."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from tests.web_server import Web, running

from posthouse.model import limits

MESSAGE: dict[str, Any] = {"from": "ann@example.com", "to": "bo@example.org", "subject": "Hello", "text": "It works."}


@pytest.fixture
async def web(make_process: Any) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


async def send(web: Web, message: Any, **options: Any) -> httpx.Response:
    return await web.client.post("/v1/messages", json=message, **options)


async def key_with(web: Web, *scopes: str, **terms: Any) -> dict[str, str]:
    made = await web.client.post("/v1/keys", json={"name": "limited", "scopes": list(scopes), **terms})
    assert made.status_code == 201, made.text
    return {"authorization": f"Bearer {made.json()['key']}"}


def is_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() == {"type", "title", "status", "detail", "errors"}
    assert problem["status"] == status
    return problem  # type: ignore[no-any-return]


def pointers(problem: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in problem["errors"]]


async def stored(web: Web) -> int:
    return len((await web.client.get("/v1/messages", params={"limit": 100})).json()["messages"])


async def test_a_message_is_accepted_and_can_be_followed(web: Web) -> None:
    response = await send(web, MESSAGE | {"priority": 7, "tags": ["hi"], "metadata": {"order": "1"}})
    assert response.status_code == 202
    receipt = response.json()
    assert receipt["route"] == "TRANSACTIONAL"
    assert receipt["reason"]
    assert [recipient["address"] for recipient in receipt["recipients"]] == ["bo@example.org"]
    shown = (await web.client.get(f"/v1/messages/{receipt['id']}")).json()
    assert shown["message_id"] == receipt["message_id"]
    assert shown["status"] == "ready"
    assert shown["priority"] == 7
    assert shown["from"] == "ann@example.com"
    assert shown["metadata"] == {"order": "1"}
    assert shown["compliance"] == {"class": "transactional", "basis": "relationship", "opt_out_shown": False}
    assert shown["tracking"]["opens"] == 0
    assert "no process of the pool transactional is running" in shown["recipients"][0]["reason"]
    events = (await web.client.get(f"/v1/messages/{receipt['id']}/events")).json()["events"]
    assert [(event["kind"], event["recipient"]) for event in events] == [("accepted", "bo@example.org")]
    raw = await web.client.get(f"/v1/messages/{receipt['id']}/raw")
    assert raw.headers["content-type"] == "message/rfc822"
    assert f"Message-ID: {receipt['message_id']}\r\n" in raw.text


async def test_priority_is_4_unless_said_otherwise(web: Web) -> None:
    assert (await send(web, MESSAGE)).json()["priority"] == 4


async def test_a_dry_run_shows_the_road_and_keeps_nothing(web: Web) -> None:
    response = await send(web, MESSAGE, params={"dry_run": "1"})
    assert response.status_code == 200
    assert response.json()["route"] == "TRANSACTIONAL"
    assert response.json()["reason"]
    assert response.json()["id"] is None
    assert await stored(web) == 0


async def test_of_a_list_each_message_is_accepted_or_refused_on_its_own(web: Web) -> None:
    response = await send(web, [MESSAGE, MESSAGE | {"priority": "high"}, MESSAGE | {"subject": "second"}])
    assert response.status_code == 202
    body = response.json()
    assert (body["accepted"], body["refused"]) == (2, 1)
    assert [result["status"] for result in body["results"]] == [202, 422, 202]
    assert pointers(body["results"][1]["problem"]) == ["/1/priority"]
    assert body["results"][2]["message"]["id"]
    assert await stored(web) == 2


async def test_a_list_of_which_nothing_is_accepted_is_a_problem(web: Web) -> None:
    problem = is_problem(await send(web, [MESSAGE | {"priority": 10}, MESSAGE | {"colour": "red"}]), 422)
    assert pointers(problem) == ["/0/priority", "/1/colour"]
    assert await stored(web) == 0


async def test_a_refused_message_leaves_nothing_behind(web: Web) -> None:
    problem = is_problem(await send(web, MESSAGE | {"subject": "a\r\nBcc: x@y.zz", "priority": True}), 422)
    assert pointers(problem) == ["/priority", "/subject"]
    assert await stored(web) == 0


async def test_the_same_key_and_request_is_answered_once(web: Web) -> None:
    key = {"idempotency-key": "order-10-4711"}
    first = await send(web, MESSAGE, headers=key)
    again = await send(web, MESSAGE, headers=key)
    assert first.status_code == again.status_code == 202
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    is_problem(await send(web, MESSAGE | {"subject": "other"}, headers=key), 409)
    assert await stored(web) == 1


async def test_the_same_request_sent_twice_at_once_is_one_mail(web: Web) -> None:
    responses = await asyncio.gather(*(send(web, MESSAGE, headers={"idempotency-key": "k"}) for _ in range(10)))
    assert len({response.content for response in responses}) == 1
    assert await stored(web) == 1


@pytest.mark.parametrize("key", ["", "a b", "é".encode().decode("latin-1"), "x" * 256])
async def test_an_unusable_idempotency_key_is_refused(web: Web, key: str) -> None:
    headers = {b"idempotency-key": key.encode("latin-1")}
    assert pointers(is_problem(await send(web, MESSAGE, headers=headers), 422)) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer ph_1_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        {"authorization": "Basic ???"},
        {"authorization": "Digest x"},
        {"authorization": "Bearer \x00\x01".replace("\x00", "é").replace("\x01", "ü")},
    ],
)
async def test_without_a_valid_key_nothing_is_answered(web: Web, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    for path in ("/v1/messages", "/v1/keys"):
        response = await web.client.get(path, headers=raw)
        is_problem(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_basic_authentication_takes_the_key_as_user_name(web: Web) -> None:
    user = base64.b64encode(f"{web.key}:".encode()).decode()
    response = await web.client.get("/v1/messages", headers={"authorization": f"Basic {user}"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read", "POST", "/v1/messages"),
        ("send", "GET", "/v1/messages"),
        ("send", "GET", "/v1/keys"),
        ("read", "GET", "/v1/login-failures"),
        ("read", "POST", "/v1/keys"),
        ("read", "POST", "/v1/domains"),
        ("manage", "GET", "/v1/queue/shape"),
        ("read", "POST", "/v1/queue/actions"),
        ("send", "POST", "/v1/queue/suspensions"),
        ("manage", "GET", "/v1/queue/suspensions"),
    ],
)
async def test_a_key_may_do_only_what_its_scopes_say(web: Web, scope: str, method: str, path: str) -> None:
    headers = await key_with(web, scope)
    is_problem(await web.client.request(method, path, headers=headers, json=MESSAGE if method == "POST" else None), 403)


async def test_a_revoked_key_no_longer_works(web: Web) -> None:
    made = (await web.client.post("/v1/keys", json={"name": "short-lived", "scopes": ["read"]})).json()
    headers = {"authorization": f"Bearer {made['key']}"}
    assert (await web.client.get("/v1/messages", headers=headers)).status_code == 200
    path = f"/v1/keys/{made['details']['id']}"
    assert (await web.client.delete(path)).status_code == 204
    async with asyncio.timeout(30):
        while (await web.client.get("/v1/messages", headers=headers)).status_code != 401:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    is_problem(await web.client.delete(path), 404)
    listed = (await web.client.get("/v1/keys")).json()["keys"]
    assert next(key for key in listed if key["name"] == "short-lived")["revoked_at"]
    typo = made["key"][:-1] + ("a" if made["key"][-1] != "a" else "b")
    is_problem(await web.client.get("/v1/messages", headers={"authorization": f"Bearer {typo}"}), 401)
    async with asyncio.timeout(30):
        failures = await login_failures(web, attempts=2)
    assert {(each["door"], each["account"], each["source"], each["reason"]) for each in failures} == {
        ("api", made["details"]["hint"], "127.0.0.1", "revoked")
    }
    assert await login_failures(web, door="smtp") == []
    assert await login_failures(web, until="2020-01-01T00:00:00Z") == []
    assert pointers((await web.client.get("/v1/login-failures", params={"door": "back"})).json()) == ["?door"]


async def login_failures(web: Web, attempts: int = 0, **asked: str) -> list[dict[str, Any]]:
    """All of them in pages of one, once so many attempts are told of."""
    while True:
        found, cursor = [], None
        while True:
            page = {"limit": "1"} | asked | ({"cursor": cursor} if cursor else {})
            told = (await web.client.get("/v1/login-failures", params=page)).json()
            found += told["failures"]
            if (cursor := told["next"]) is None:
                break
        if sum(each["attempts"] for each in found) >= attempts:
            return found
        await asyncio.sleep(0.01)


async def test_a_key_bound_to_a_network_gives_away_no_wider_one(web: Web) -> None:
    bound = await key_with(web, "manage", "send", networks=["127.0.0.0/8"])
    for networks, status in (([], 403), (["0.0.0.0/0"], 403), (["127.0.0.1", "::/0"], 403), (["127.0.0.1"], 201)):
        for path, body in (("/v1/keys", {"name": "n", "scopes": ["send"]}), ("/v1/smtp-credentials", {"name": "n"})):
            made = await web.client.post(path, json=body | {"networks": networks}, headers=bound)
            assert made.status_code == status, (networks, path)
            assert status == 201 or pointers(made.json()) == ["/networks"]


async def test_bodies_still_on_their_way_count_as_held(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.web.api.bodies.CALLS_OCTETS", 300_000)
    enough = asyncio.Event()

    async def dripping() -> AsyncIterator[bytes]:
        yield b" " * 200_000
        await enough.wait()

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(web.client.post("/v1/messages", content=dripping()))
        refused = 0
        for _ in range(100):
            answer = await web.client.post("/v1/messages", content=b" " * 200_000)
            refused = answer.status_code
            if refused == 503:
                break
        enough.set()
    assert refused == 503
    assert (await waiting).status_code == 400
    assert (await send(web, MESSAGE)).status_code == 202


async def test_a_key_bound_to_a_network_is_refused_elsewhere(web: Web) -> None:
    is_problem(
        await web.client.get("/v1/messages", headers=await key_with(web, "read", networks=["192.0.2.0/24"])), 401
    )
    allowed = await key_with(web, "read", networks=["127.0.0.0/8"])
    assert (await web.client.get("/v1/messages", headers=allowed)).status_code == 200


async def test_a_key_bound_to_a_domain_sends_from_no_other(web: Web) -> None:
    headers = await key_with(web, "send", domains=["example.net"])
    problem = is_problem(await send(web, MESSAGE, headers=headers), 403)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/from", "sender_not_allowed")]


async def test_a_key_gives_away_only_what_it_has(web: Web) -> None:
    headers = await key_with(web, "manage", domains=["example.net"])
    asked = {"name": "more", "scopes": ["manage", "send"]}
    problem = is_problem(await web.client.post("/v1/keys", json=asked, headers=headers), 403)
    assert pointers(problem) == ["/scopes", "/domains"]
    smtp = await web.client.post("/v1/smtp-credentials", json={"name": "more"}, headers=headers)
    assert pointers(is_problem(smtp, 403)) == ["/scopes", "/domains"]


async def test_smtp_credentials_are_made_listed_and_revoked(web: Web) -> None:
    made = (await web.client.post("/v1/smtp-credentials", json={"name": "Printer", "networks": ["127.0.0.1"]})).json()
    assert made["username"].startswith("ws")
    assert made["password"]
    assert await web.rooms.directory.by_smtp_login(made["username"], made["password"], "127.0.0.1")
    listed = (await web.client.get("/v1/smtp-credentials")).json()["smtp_credentials"]
    assert "Printer" in [credential["name"] for credential in listed]
    assert "password" not in str(listed)
    assert (await web.client.delete(f"/v1/smtp-credentials/{made['details']['id']}")).status_code == 204
    is_problem(await web.client.delete(f"/v1/keys/{made['details']['id']}"), 404)


async def test_every_bad_field_of_a_credential_is_named(web: Web) -> None:
    body = {"scopes": ["send", "fly"], "domains": "example.com", "networks": [4], "x": 1}
    problem = is_problem(await web.client.post("/v1/keys", json=body), 422)
    assert sorted(pointers(problem)) == ["/domains", "/name", "/networks/0", "/scopes/1", "/x"]
    problem = is_problem(
        await web.client.post("/v1/keys", json={"name": "n", "scopes": ["send"], "networks": ["x"]}), 422
    )
    assert pointers(problem) == ["/networks/0"]


async def test_a_domain_is_added_with_the_records_to_publish(web: Web) -> None:
    made = await web.client.post("/v1/domains", json={"name": "Blåbær.example"})
    assert made.status_code == 201, made.text
    name = made.json()["name"]
    assert name.startswith("xn--")
    assert {record["purpose"] for record in made.json()["records"]} >= {"ownership", "dkim"}
    shown = (await web.client.get(f"/v1/domains/{name}")).json()
    assert shown == made.json()
    assert shown["verified_at"] is None
    assert name in [domain["name"] for domain in (await web.client.get("/v1/domains")).json()["domains"]]
    is_problem(await web.client.get("/v1/domains/unknown.example"), 404)
    is_problem(await web.client.get("/v1/domains/%00"), 404)
    is_problem(await web.client.post("/v1/domains", json={"name": "no domain"}), 422)


async def test_a_message_is_cancelled_once(web: Web) -> None:
    receipt = (await send(web, MESSAGE | {"to": ["a@example.org", "b@example.org"]})).json()
    path = f"/v1/messages/{receipt['id']}"
    assert (await web.client.post(f"{path}/cancel")).json() == {"cancelled": 2}
    assert (await web.client.post(f"{path}/cancel")).json() == {"cancelled": 0}
    assert (await web.client.get(path)).json()["status"] == "cancelled"
    is_problem(await web.client.post(f"/v1/messages/{UUID(int=0)}/cancel"), 404)


async def test_messages_are_found_and_paged(web: Web) -> None:
    for number in range(5):
        await send(web, MESSAGE | {"subject": f"number {number}", "tags": ["odd" if number % 2 else "even"]})
    page = (await web.client.get("/v1/messages", params={"limit": 2})).json()
    subjects = [message["subject"] for message in page["messages"]]
    while page["next"]:
        page = (await web.client.get("/v1/messages", params={"limit": 2, "cursor": page["next"]})).json()
        subjects += [message["subject"] for message in page["messages"]]
    assert subjects == [f"number {number}" for number in (4, 3, 2, 1, 0)]
    odd = (await web.client.get("/v1/messages", params={"tag": "odd"})).json()["messages"]
    assert [message["subject"] for message in odd] == ["number 3", "number 1"]
    for nothing in ({"state": "bounced"}, {"domain": "other.example"}, {"source": "smtp"}, {"q": "elephant"}):
        assert (await web.client.get("/v1/messages", params=nothing)).json()["messages"] == []


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("limit=0", ["?limit"]),
        ("limit=1e2&state=lost", ["?limit", "?state"]),
        ("cursor=x&since=today", ["?cursor", "?since"]),
        ("colour=red&limit=1&limit=2", ["?colour", "?limit"]),
        ("q=%00", ["?q"]),
        ("until=0001-01-01T00:00:00%2B14:00", ["?until"]),
    ],
)
async def test_every_bad_parameter_is_named(web: Web, query: str, wrong: list[str]) -> None:
    assert pointers(is_problem(await web.client.get(f"/v1/messages?{query}"), 422)) == wrong


async def test_the_queue_is_shown_by_destination_and_age(web: Web) -> None:
    await send(web, [MESSAGE, MESSAGE | {"to": ["a@example.net", "b@example.net"]}])
    shape = (await web.client.get("/v1/queue/shape")).json()
    assert [(each["domain"], each["total"], each["buckets"][0]) for each in shape["destinations"]] == [
        ("example.net", 2, 2),
        ("example.org", 1, 1),
    ]
    assert shape["states"] == {"ready": 3}


async def test_unknown_paths_and_methods_are_problems(web: Web) -> None:
    is_problem(await web.client.get("/v1/nothing"), 404)
    is_problem(await web.client.get("/v1/messages/not-an-id"), 404)
    response = await web.client.put("/v1/messages", json=MESSAGE)
    is_problem(response, 405)
    assert response.headers["allow"] == "POST, GET, HEAD"


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b"\xff", b'{"a": NaN}'])
async def test_what_is_no_json_is_refused_with_400(web: Web, body: bytes) -> None:
    for path in ("/v1/messages", "/v1/keys"):
        response = await web.client.post(path, content=body, headers={"content-type": "application/json"})
        is_problem(response, 400)


async def test_other_media_types_are_refused_with_415(web: Web) -> None:
    is_problem(await web.client.post("/v1/messages", data={"from": "x"}), 415)


async def test_a_message_over_the_limit_is_refused_with_413(web: Web) -> None:
    content = base64.b64encode(bytes(limits.MESSAGE_OCTETS)).decode()
    response = await send(web, MESSAGE | {"attachments": [{"filename": "a.bin", "content": content}]}, timeout=60)
    assert str(limits.MESSAGE_OCTETS) in is_problem(response, 413)["detail"]


async def test_a_body_over_the_limit_is_refused_with_413_and_the_process_lives(web: Web) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(limits.CALL_OCTETS // 1_000_000 + 2):
            yield b" " * 1_000_000

    headers = {"content-type": "application/json"}
    is_problem(await web.client.post("/v1/messages", content=endless(), headers=headers, timeout=60), 413)
    assert (await send(web, MESSAGE)).status_code == 202


async def test_without_a_database_the_answer_is_503_and_nothing_is_accepted(web: Web, owner: Any) -> None:
    assert (await send(web, MESSAGE)).status_code == 202
    name = await owner.fetchval("SELECT current_database()")
    async with owner.acquire() as connection:
        await connection.execute(f'ALTER DATABASE "{name}" WITH CONNECTION LIMIT 0')
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1 AND usename = 'posthouse_app'",
            name,  # returns when they have ended: one that is still about to would be handed to the mail after
        )
        response = await send(web, MESSAGE, timeout=60)
        await connection.execute(f'ALTER DATABASE "{name}" WITH CONNECTION LIMIT -1')
    is_problem(response, 503)
    assert int(response.headers["retry-after"]) > 0
    assert (await send(web, MESSAGE)).status_code == 202
    assert await stored(web) == 2


async def test_every_answer_has_the_security_headers(web: Web) -> None:
    for path in (
        "/v1/messages",
        "/v1/nothing",
        "/docs",
        "/docs.css",
        "/openapi.json",
        "/healthz",
        "/",
        "/nothing-here",
    ):
        headers = (await web.client.get(path)).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"], path
        assert "server" not in headers, path


async def test_the_probes_answer_on_the_web_port_and_the_metrics_do_not(web: Web) -> None:
    assert (await web.client.get("/healthz")).text == "alive\n"
    assert (await web.client.get("/readyz")).text == "ready\n"
    await send(web, MESSAGE)
    assert (await web.client.get("/metrics")).status_code == 404
    assert b'posthouse_accepted_total{source="api"} 1.0' in web.process.metrics.render()


async def exchange(port: int, sent: bytes) -> bytes:
    """What a client that sends these octets and nothing more reads until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_head_that_drips_is_cut_off(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.web.connection.REQUEST_HEAD_S", 0.2)
    assert await exchange(web.port, b"GET /healthz HTTP/1.1\r\nx-slow: ") == b""
    assert await exchange(web.port, b"") == b""


async def test_empty_lines_after_a_request_keep_no_connection(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.web.connection.REQUEST_HEAD_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await reader.readuntil(b"alive\n")).startswith(b"HTTP/1.1 200")
    writer.write(b"\r\n")
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()


async def test_a_head_that_does_not_end_is_cut_off(web: Web) -> None:
    head = b"GET /healthz HTTP/1.1\r\nx-long: " + b"a" * 1_000_000  # more than one read
    assert b"alive" not in await exchange(web.port, head)


async def test_a_body_that_drips_is_refused_with_408(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.web.api.bodies.BODY_READ_S", 0.2)
    head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {web.key}\r\ncontent-length: 100\r\n\r\n"
    assert (await exchange(web.port, head.encode() + b'{"from"')).startswith(b"HTTP/1.1 408")


async def test_a_request_in_flight_is_answered_when_the_process_stops(make_process: Any) -> None:
    async with running(make_process) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        body = msgspec.json.encode(MESSAGE)
        head = f"authorization: Bearer {web.key}\r\ncontent-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n"
        writer.write(b"POST /v1/messages HTTP/1.1\r\n" + head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        web.process.stopping.set()
        await refusing(web.port)
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 202")
        writer.close()


async def refusing(port: int) -> None:
    """Returns once nobody listens on the port any more."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            except ConnectionError:  # it had come in and was never taken
                continue
            writer.close()
            await asyncio.sleep(0.02)
