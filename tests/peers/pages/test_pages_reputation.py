"""The page of bounces and complaints with a paused pool, a paused domain and a paused mailing in a real Chromium, and the same by the API."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.page_world import EMAIL, READER, Site
from tests.peers.pages.conftest import Open
from tests.peers.pages.test_pages_access import violations
from tests.peers.pages.test_pages_language import _TEXTS as TEXTS

from posthouse.accounts import changes, credentials
from posthouse.accounts.terms import CredentialKind, Terms
from posthouse.intake import reputation
from posthouse.ledger import counting
from posthouse.ledger.providers import Provider
from posthouse.ledger.reputation import BulkSender, note_bulk_sender
from posthouse.model.words import Scope
from posthouse.runtime.postgres import transaction

ROWS = (
    ("transactional", "acme.example", "gmail", 4_210, 4_190, 9, 1),
    ("notification", "acme.example", "other", 950, 930, 20, 0),
    ("marketing", "news.acme.example", "gmail", 12_000, 11_300, 700, 28),
    ("marketing", "news.acme.example", "yahoo", 3_000, 2_820, 180, 4),
    ("marketing", "news.acme.example", "microsoft", 2_400, 2_394, 6, 0),
    ("marketing", "a-rather-long-name-of-a-campaign.news.acme.example", "other", 120, 118, 2, 0),
)
MAILINGS = (
    ("autumn-offers", 6_000, 5_520, 480, 9),
    ("a-rather-long-name-of-a-newsletter-that-somebody-chose-as-its-tag", 9_400, 9_300, 100, 10),
    ("welcome", 90, 90, 0, 0),
)


async def fill(site: Site) -> str:
    process, workspace_id = site.process, site.world.workspace_id
    now = process.clock.now()
    async with transaction(process.pool) as connection:
        await counting.advance(connection, workspace_id, now)
        await connection.executemany(
            "INSERT INTO reputation_counts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [(workspace_id, now - timedelta(hours=2), *row) for row in ROWS],
        )
        await connection.executemany(
            "INSERT INTO mailing_counts VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [(workspace_id, now - timedelta(hours=2), *row) for row in MAILINGS],
        )
        bulk = BulkSender("acme.example", Provider.GMAIL, 5_120, now - timedelta(days=40))
        await note_bulk_sender(connection, workspace_id, bulk)
    await reputation.judge(process, workspace_id)
    async with changes.making(process, workspace_id, f"user:{EMAIL}") as change:
        key = await credentials.create(
            change, CredentialKind.API_KEY, Terms("Watcher", frozenset({Scope.READ, Scope.MANAGE}))
        )
    assert isinstance(key, credentials.Issued)
    return key.secret


async def empty(site: Site) -> None:
    for table in ("reputation_counts", "mailing_counts", "alerts"):
        await site.process.pool.execute(f"DELETE FROM {table}")
    await site.process.pool.execute(
        "UPDATE suspensions SET ended_at = now(), ended_by = 'test' WHERE created_by = 'breaker' AND ended_at IS NULL"
    )


@pytest.fixture(scope="module")
def key(site: Site) -> Iterator[str]:
    yield site.call(fill(site))
    site.call(empty(site))


def too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", [1280, 360])
def test_rates_stand_against_their_marks_at_any_width(key: str, open_page: Open, axe: str, width: int) -> None:
    page = open_page("/reports", width=width, strict=False, reduced_motion="reduce")
    page.get_by_role("link", name="Reputation").click()
    marketing = page.get_by_role("table", name="Pools").locator("tbody tr").first
    for text in ("Marketing", "Paused", "5.07 %", "888 of 17,520", "warned at 2 %, paused at 5 %", "The limit is 5 %."):
        expect(marketing).to_contain_text(text)
    expect(page.get_by_role("table", name="From domains").locator("tbody tr").first).to_contain_text(
        "news.acme.example"
    )
    expect(page.get_by_role("table", name="Providers").locator("tbody tr")).to_have_count(4)
    mailings = page.get_by_role("table", name="Mailings").locator("tbody tr")
    expect(mailings).to_have_count(3)
    for text in ("autumn-offers", "Paused", "480 of 6,000", "480 of 6,000 mails bounced hard within 24 hours (8 %)."):
        expect(mailings.first).to_contain_text(text)
    expect(page.get_by_role("table", name="Bulk senders")).to_contain_text("5,120")
    assert not too_wide(page)
    assert violations(page, axe) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, axe) == []


def test_every_sentence_goes_through_the_catalogue(key: str, open_page: Open) -> None:
    page = open_page("/reputation", locale="en-XA", extra_http_headers={"accept-language": "en-XA"})
    expect(page.get_by_role("heading", level=1)).to_contain_text("⟦")
    found = [text for text in page.evaluate(TEXTS) if re.search("[a-zA-Z]{3}", text) and "⟦" not in text]
    assert found == []


def test_the_api_tells_the_same_and_who_may_read_may_not_resume(key: str, site: Site, open_page: Open) -> None:
    headers = {"authorization": f"Bearer {key}"}
    told = httpx.get(f"{site.address}/v1/reputation", headers=headers, trust_env=False).json()
    pool, domain, gmail, mailing = (
        next(each for each in told["reputation"] if each["name"] == name)
        for name in ("marketing", "news.acme.example", "gmail", "autumn-offers")
    )
    assert (pool["scope"], pool["state"], pool["sent"], pool["delivered"]) == ("pool", "paused", 17_520, 16_632)
    assert pool["bounces"] == {
        "percent": 5.0685, "times": 888, "of": 17_520, "warn_percent": 2.0, "pause_percent": 5.0, "state": "too_high",
    }  # fmt: skip
    assert domain["state"] == "paused"
    assert (gmail["bounces"]["pause_percent"], gmail["complaints"]["pause_percent"]) == (None, 0.25)
    assert [(each["domain"], each["provider"]) for each in told["bulk_senders"]] == [("acme.example", "gmail")]
    stopped = httpx.get(f"{site.address}/v1/queue/suspensions", headers=headers, trust_env=False).json()["suspensions"]
    ours = {each["id"]: each for each in stopped if each["created_by"] == "breaker"}
    assert (mailing["scope"], mailing["state"], mailing["bounces"]["times"]) == ("mailing", "paused", 480)
    assert set(ours) == {pool["suspension"], domain["suspension"], mailing["suspension"]}
    assert ours[mailing["suspension"]]["mailing"] == "autumn-offers"
    assert ours[domain["suspension"]]["sender_domain"] == "news.acme.example"
    page = open_page("/reputation", email=READER)
    expect(page.get_by_role("table", name="Pools")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    refused = httpx.post(f"{site.address}/reputation/resume", cookies=cookies, trust_env=False)
    assert refused.status_code == 403


def test_the_queue_says_what_is_paused(key: str, open_page: Open) -> None:
    page = open_page("/queue")
    expect(page.get_by_role("table", name="Suspended")).to_contain_text("Bulk mail from news.acme.example")
    expect(page.get_by_role("table", name="Suspended")).to_contain_text("The mailing autumn-offers")


def test_resuming_takes_one_button(key: str, site: Site, open_page: Open) -> None:
    page = open_page("/reputation")
    page.get_by_role("button", name="Resume: news.acme.example").click()
    expect(page.locator(".note.good")).to_contain_text("Resumed")
    expect(page.get_by_role("button", name="Resume: Marketing")).to_have_count(1)
    expect(page.get_by_role("button", name="Resume: news.acme.example")).to_have_count(0)
    page.get_by_role("button", name="Resume: autumn-offers").click()
    expect(page.locator(".note.good")).to_contain_text("Resumed")
    expect(page.get_by_role("button", name="Resume: autumn-offers")).to_have_count(0)


def test_a_mailing_is_suspended_by_form_and_by_api(key: str, site: Site, open_page: Open) -> None:
    page = open_page("/queue/suspend?mailing=welcome")
    expect(page.get_by_label("Mailing")).to_have_value("welcome")
    page.get_by_label("Pool").select_option("marketing")
    page.get_by_label("Reason").fill("The greeting is wrong")
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("alert")).to_contain_text("A mailing is stopped in every pool")
    page.get_by_label("Pool").select_option("")
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("table", name="Suspended")).to_contain_text("The mailing welcome")
    headers = {"authorization": f"Bearer {key}"}
    body = {"mailing": "welcome", "reason": "The greeting is wrong"}
    where = f"{site.address}/v1/queue/suspensions"
    made = httpx.post(where, headers=headers, json=body, trust_env=False)
    assert (made.status_code, made.json()["mailing"], made.json()["pool"]) == (201, "welcome", None)
    both = httpx.post(where, headers=headers, json=body | {"domain": "there.test"}, trust_env=False)
    assert (both.status_code, both.json()["errors"][0]["pointer"]) == (422, "/mailing")
    ended = httpx.delete(f"{where}/{made.json()['id']}", headers=headers, trust_env=False)
    assert ended.status_code == 204
