"""The web mailbox: pages that a browser may trust with a stranger's HTML, and JSON that a script may rely on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from litestar.testing import TestClient

from posthouse.lab import behaviours, site
from posthouse.lab.mailbox import Mailbox
from posthouse.lab.published import Published

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"
CONTENT = (
    f"From: Shop <shop@example.com>\r\nTo: anna@example.org\r\nSubject: {EVIL}\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/alternative; boundary="x"\r\n\r\n'
    "--x\r\nContent-Type: text/plain\r\n\r\nHello Anna\r\n"
    f"--x\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>{EVIL}<img src=https://tracker.test/a.png>\r\n--x--\r\n"
).encode()


async def _no_key(selector: str, domain: str) -> str | None:
    return None


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def client(mailbox: Mailbox) -> Iterator[TestClient[site.App]]:
    published = Published({"lab": "v=DKIM1; k=rsa; p=AAAA"}, frozenset({"bounces.test"}), _no_key)
    with TestClient(site.app(site.Lab(mailbox, published, published.lab_keys, lambda: NOW))) as client:
        yield client


def receive(mailbox: Mailbox, to: str = "anna@example.org", content: bytes = CONTENT) -> int:
    return mailbox.add(
        received_at=NOW,
        mail_from="b1@bounces.test",
        recipients=(to,),
        content=content,
        peer="127.0.0.1",
        helo="m.test",
        tls="",
    ).number


@pytest.mark.parametrize(
    "path", ["/", "/addresses", "/keys", "/messages/1", "/messages/1?tab=raw", "/messages/1?tab=headers"]
)
def test_every_page_is_whole_and_lets_nothing_run_or_load_from_outside(
    client: TestClient[site.App], mailbox: Mailbox, path: str
) -> None:
    receive(mailbox)
    response = client.get(path)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert EVIL not in response.text
    assert len(response.content) < 100_000
    assert _outside_addresses(response.text) == []


def _outside_addresses(page: str) -> list[str]:
    found: list[str] = []

    class Finder(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value for name, value in attrs if name in ("src", "href") and value and "//" in value)

    Finder().feed(page)
    return found


def test_the_mails_own_html_is_served_only_into_a_sandbox(client: TestClient[site.App], mailbox: Mailbox) -> None:
    receive(mailbox)
    policy = client.get("/messages/1/frame").headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert "https" not in policy


def test_an_empty_mailbox_says_what_to_do(client: TestClient[site.App]) -> None:
    assert "No mail yet" in client.get("/").text


def test_the_list_is_refreshed_by_htmx_without_its_frame(client: TestClient[site.App], mailbox: Mailbox) -> None:
    receive(mailbox)
    rows = client.get("/", headers={"hx-request": "true"}).text
    assert "anna@example.org" in rows
    assert "<html" not in rows


def test_scripts_find_and_read_mail_as_json(client: TestClient[site.App], mailbox: Mailbox) -> None:
    receive(mailbox, "bo@example.org")
    number = receive(mailbox)
    listed = client.get("/api/messages", params={"to": "ANNA@", "since": "2026-11-21T12:00:00Z"}).json()
    assert [mail["id"] for mail in listed["messages"]] == [number]
    mail = client.get(f"/api/messages/{number}").json()
    assert (mail["recipients"], mail["text"].strip(), mail["verdict"]["passed"]) == (
        ["anna@example.org"],
        "Hello Anna",
        False,
    )
    assert [finding["check"] for finding in mail["verdict"]["findings"]] == ["DKIM", "SPF", "DMARC"]
    assert client.get(f"/api/messages/{number}/raw").content == CONTENT


def test_a_mail_that_is_not_there_is_404_in_the_language_of_the_asker(client: TestClient[site.App]) -> None:
    assert client.get("/api/messages/7").json()["status"] == 404
    assert client.get("/messages/7").status_code == 404


def test_a_bad_time_is_400(client: TestClient[site.App]) -> None:
    assert client.get("/api/messages", params={"since": "yesterday"}).status_code == 400


def test_mail_is_forgotten_on_request_but_not_on_another_sites_request(
    client: TestClient[site.App], mailbox: Mailbox
) -> None:
    receive(mailbox)
    assert client.post("/clear", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert len(mailbox) == 1
    assert client.post("/clear", headers={"sec-fetch-site": "same-origin"}, follow_redirects=False).status_code == 303
    assert len(mailbox) == 0
    receive(mailbox)
    assert client.delete("/api/messages").json() == {"forgotten": 1}


def test_the_keys_are_published_as_txt_values(client: TestClient[site.App]) -> None:
    assert client.get("/api/keys").json() == {"keys": [{"selector": "lab", "txt": "v=DKIM1; k=rsa; p=AAAA"}]}
    assert "v=DKIM1; k=rsa; p=AAAA" in client.get("/keys").text


def test_every_misbehaving_address_is_on_the_page_and_in_the_json(client: TestClient[site.App]) -> None:
    page, listed = client.get("/addresses").text, client.get("/api/addresses").json()["addresses"]
    assert [each["local_part"] for each in listed] == [behaviour.name for behaviour in behaviours.BEHAVIOURS]
    assert all(f"{behaviour.name}@" in page for behaviour in behaviours.BEHAVIOURS)
    assert behaviours.BROKEN_TLS_DOMAIN in page


def test_the_products_style_sheet_is_served(client: TestClient[site.App]) -> None:
    assert client.get("/static/posthouse.css").status_code == 200
