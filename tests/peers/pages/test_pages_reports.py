"""The page of receivers' reports, with hundreds of sources, in a real Chromium, and the way in for a file."""

import gzip
import json
import random
import re
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.page_world import READER, Site
from tests.peers.pages.conftest import Open
from tests.peers.pages.test_pages_language import _TEXTS as TEXTS

from posthouse.accounts import workspaces
from posthouse.intake.receiver_reports import Left, ReportDesk
from posthouse.intake.report_senders import Method, Proof
from posthouse.model.words import ReportSource

DOMAIN = "acme.example"
SENDER = Proof("receiver.example", Method.DKIM)
REPORTERS = ("google.com", "Outlook.com", "Yahoo", "GMX", "Mail.Ru")
SOURCES = [f"198.51.{number // 200}.{number % 200 + 1}" for number in range(340)] + [
    "2001:db8:85a3:8d3:1319:8a2e:370:7348"
]


def aggregate(reporter: str, begin: int, dice: random.Random, rows: int = 60) -> bytes:
    records = []
    for ip in ["192.0.2.25", *dice.sample(SOURCES, rows)]:
        good = ip == "192.0.2.25" or dice.random() < 0.4
        verdict = "pass" if good else "fail"
        count = dice.randrange(200, 900) if ip == "192.0.2.25" else dice.randrange(1, 40)
        records.append(
            f"<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>{'none' if good else 'quarantine'}"
            f"</disposition><dkim>{verdict}</dkim><spf>{verdict if dice.random() < 0.8 else 'fail'}</spf></policy_evaluated></row>"
            f"<identifiers><header_from>{DOMAIN}</header_from><envelope_from>bounces.{DOMAIN}</envelope_from></identifiers><auth_results><dkim>"
            f"<domain>{DOMAIN}</domain><selector>ph1-rsa</selector><result>{verdict}</result></dkim></auth_results></record>"
        )
    return (
        f"<feedback><report_metadata><org_name>{reporter}</org_name><report_id>{reporter}-{begin}</report_id><date_range><begin>{begin}"
        f"</begin><end>{begin + 86_399}</end></date_range></report_metadata><policy_published><domain>{DOMAIN}</domain><p>quarantine</p>"
        f"</policy_published>{''.join(records)}</feedback>"
    ).encode()


def tls(day: int) -> bytes:
    return json.dumps({
        "organization-name": "Sender Inc.", "report-id": f"tls-{day}", "policies": [{
            "policy": {"policy-type": "sts", "policy-domain": DOMAIN},
            "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 30},
            "failure-details": [{"result-type": "certificate-host-mismatch", "receiving-mx-hostname": "mx-backup.acme.example",
                                 "sending-mta-ip": "2001:db8:abcd:12::1", "failed-session-count": 30}]}],
    }).encode()  # fmt: skip


FAILURE = b"""From: <dmarc@receiver.example>
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: message/feedback-report

Feedback-Type: auth-failure
Source-IP: 198.51.0.9
Original-Mail-From: <a-rather-long-return-path-address@some-other-sender.example>
Reported-Domain: acme.example
Auth-Failure: dmarc
Delivery-Result: reject

--b--
"""


async def fill(site: Site) -> None:
    process = site.process
    workspace = await workspaces.find(process.pool, site.world.workspace_id)
    assert workspace
    midnight = int(process.clock.now().timestamp()) // 86_400 * 86_400
    dice, desk = random.Random(5), ReportDesk(process)
    files = [aggregate(reporter, midnight - day * 86_400, dice) for day in range(28) for reporter in REPORTERS]
    for file in (*files, tls(1), tls(2), FAILURE):
        outcomes = await desk.take(workspace, file, ReportSource.MAIL, proofs=[SENDER])
        assert not any(isinstance(each, Left) for each in outcomes), outcomes
    await process.pool.execute("ANALYZE dmarc_reports, dmarc_rows")


@pytest.fixture(scope="module")
def told(site: Site) -> Site:
    site.call(fill(site))
    return site


def too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", [1280, 360])
def test_sources_days_and_sessions_are_shown_at_any_width(told: Site, open_page: Open, axe: str, width: int) -> None:
    page = open_page("/", width=width, strict=False)  # axe tries inline styles, which the policy refuses
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Reports").click()
    expect(page.get_by_role("heading", name="Reports", level=1)).to_be_visible()
    expect(page.locator(".figures").first).to_contain_text("from 5 reporters")
    expect(page.locator("svg.plot rect.good")).to_have_count(28)
    expect(page.get_by_role("table", name="Sources").locator("tbody tr")).to_have_count(75)
    first = page.get_by_role("table", name="Sources").locator("tbody tr").first
    expect(first).to_contain_text("192.0.2.25")
    expect(first).to_contain_text("GMX, Mail.Ru and 3 more")
    expect(page.get_by_text(re.compile(r"2\d\d more sources with fewer messages are not shown"))).to_be_visible()
    expect(page.get_by_role("table", name="TLS sessions")).to_contain_text("certificate-host-mismatch")
    expect(page.get_by_role("table", name="Single messages that failed")).to_contain_text("198.51.0.9")
    expect(page.get_by_role("table", name="Who reports")).to_contain_text("receiver.example proven by DKIM")
    assert not too_wide(page)
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})")
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]] == []


@pytest.mark.parametrize("width", [1280, 360])
def test_a_source_opens_what_was_reported_about_it(told: Site, open_page: Open, width: int) -> None:
    page = open_page("/reports", width=width)
    page.get_by_role("link", name="192.0.2.25").click()
    expect(page.get_by_role("heading", name="192.0.2.25", level=1)).to_be_visible()
    expect(page.get_by_role("table", name="What was reported")).to_contain_text("acme.example/ph1-rsa pass")
    assert not too_wide(page)
    page.get_by_role("main").get_by_role("link", name="Reports").click()
    expect(page).to_have_url(re.compile(r"/reports\?domain=acme\.example"))


@pytest.mark.parametrize("path", ["/reports", "/reports/source?domain=acme.example&ip=192.0.2.25"])
def test_every_sentence_goes_through_the_catalogue(told: Site, open_page: Open, path: str) -> None:
    page = open_page(path, locale="en-XA", extra_http_headers={"accept-language": "en-XA"})
    naked = [text for text in page.evaluate(TEXTS) if re.search(r"[^\W\d_]{2,}", text) and "⟦" not in text]
    assert naked == []


def test_the_page_is_small_and_quick(told: Site, open_page: Open) -> None:
    page = open_page("/reports")
    took = []
    for _ in range(5):
        began = time.perf_counter()
        answer = page.request.get("/reports?days=90")
        took.append(time.perf_counter() - began)
        assert len(answer.body()) < 100_000
    assert min(took) < 0.3


def test_a_shorter_period_and_another_domain_are_chosen_by_links(told: Site, open_page: Open) -> None:
    page = open_page("/reports")
    page.get_by_role("link", name="7 days").click()
    expect(page.locator("svg.plot rect.good")).to_have_count(7)
    page.get_by_role("link", name="news.acme.example").click()
    expect(page.get_by_role("heading", name="No reports from these days")).to_be_visible()
    expect(page.get_by_role("heading", name="How reports come here")).to_be_visible()
    expect(page.get_by_role("table", name="How reports come here")).to_contain_text("_dmarc.news.acme.example")


def upload(page: Page, file: Path) -> None:
    page.get_by_label("Upload a report").set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).click()


def test_a_file_is_uploaded_and_a_bad_one_is_refused_in_words(told: Site, open_page: Open, tmp_path: Path) -> None:
    good, bad, strange = tmp_path / "good!x.xml.gz", tmp_path / "bad.xml", tmp_path / "strange.xml"
    begin = int(time.time()) - 86_400
    good.write_bytes(gzip.compress(aggregate("Uploader", begin, random.Random(1))))
    bad.write_text("<feedback><rec")
    strange.write_bytes(
        aggregate("Uploader", begin, random.Random(1)).replace(b"<domain>acme.example", b"<domain>stranger.example")
    )
    page = open_page("/reports")
    upload(page, good)
    expect(page.get_by_text("Taken. It counts below.")).to_be_visible()
    upload(page, good)
    expect(page.get_by_text("It was here already; nothing changed.")).to_be_visible()
    upload(page, bad)
    expect(page.get_by_role("alert")).to_contain_text("bad.xml: It is damaged or cut off.")
    upload(page, strange)
    expect(page.get_by_role("alert")).to_contain_text(
        "strange.xml: It is about a domain that is not verified in this workspace."
    )


def test_a_file_larger_than_any_other_form_comes_through(told: Site, open_page: Open, tmp_path: Path) -> None:
    large = tmp_path / "large.xml"
    large.write_bytes(
        aggregate("Large", int(time.time()) - 86_400, random.Random(1), 300).replace(
            b"</feedback>", b" " * 8_000_000 + b"</feedback>"
        )
    )
    page = open_page("/reports")
    upload(page, large)
    expect(page.get_by_text("Taken. It counts below.")).to_be_visible()


def test_a_reader_sees_and_may_not_upload(told: Site, open_page: Open) -> None:
    page = open_page("/reports", email=READER)
    expect(page.get_by_role("table", name="Sources")).to_be_visible()
    expect(page.get_by_role("button", name="Upload")).to_have_count(0)
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    refused = httpx.post(f"{told.address}/reports", files={"file": b"x"}, cookies=cookies, trust_env=False)
    assert refused.status_code == 403


def test_an_upload_from_elsewhere_is_refused(told: Site, open_page: Open) -> None:
    page = open_page("/reports")
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    token = page.locator("form[enctype] input[name=csrf]").get_attribute("value")
    assert token
    for data, headers in (({"csrf": "0" * 32}, {}), ({"csrf": token}, {"sec-fetch-site": "cross-site"}), ({}, {})):
        refused = httpx.post(
            f"{told.address}/reports",
            data=data,
            files={"file": ("a.xml", b"<feedback/>")},
            cookies=cookies,
            headers=headers,
            trust_env=False,
        )
        assert refused.status_code == 409, (data, headers)
    broken = httpx.post(
        f"{told.address}/reports",
        content=b"--x\r\n",
        cookies=cookies,
        headers={"content-type": "multipart/form-data; boundary=x"},
        trust_env=False,
    )
    assert broken.status_code == 409
