"""Exports in the browser: asked for, watched, fetched, given away by a link, scheduled, deleted."""

import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.page_world import READER, Site
from tests.peers.pages.conftest import Open

from posthouse.exports import jobs, links, running
from posthouse.exports.jobs import Export


def newest(site: Site) -> Export:
    async def find() -> Export:
        (found,) = await jobs.listing(site.process.pool, site.world.workspace_id, None, 1)
        return found

    return site.call(find())


def work(site: Site) -> None:
    """The worker's task, until nothing is left to do."""

    async def turns() -> None:
        await site.process.pool.execute("UPDATE exports SET until = least(until, now() - interval '1 minute')")
        while await running.turn(site.process):
            pass

    site.call(turns())


def test_an_export_is_asked_for_watched_and_fetched(open_page: Open, site: Site) -> None:
    page = open_page("/reports")
    page.get_by_role("link", name="Exports").click()
    page.get_by_role("link", name="New export").first.click()
    page.get_by_label("To day").fill("2020-01-01")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_contain_text("The period ends before it begins.")
    page.get_by_label("To day").fill("2090-01-01")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Submitted. This page shows how far it is.")).to_be_visible()
    row = page.locator("#exports tbody tr").first
    expect(row).to_contain_text("Submitted")
    work(site)
    expect(row).to_contain_text("Complete")  # by itself
    with page.expect_download() as taken:
        row.get_by_role("link", name="Download").click()
    lines = Path(taken.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("message_id,recipient_id,accepted_at")
    assert len(lines) > 2_000
    export = newest(site)
    path = links.path(site.world.workspace_id, export.export_id, export.link_key, site.process.clock.now())
    with urllib.request.urlopen(site.address + path) as answer:
        assert len(answer.read().splitlines()) == len(lines)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(site.address + path[:-1])
    old = links.path(
        site.world.workspace_id, export.export_id, export.link_key, site.process.clock.now() - timedelta(days=2)
    )
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(site.address + old)
    row.get_by_role("link", name="Delete the export").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No exports yet")).to_be_visible()


def test_a_schedule_is_made_and_ended(open_page: Open) -> None:
    page = open_page("/reports/exports")
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("What").select_option("Bounces")
    page.get_by_label("Day of the week").select_option("Wednesday")
    page.get_by_role("button", name="Make it").click()
    row = page.get_by_role("table", name="Schedules").locator("tbody tr")
    expect(row).to_contain_text("Every week, Wednesday")
    row.get_by_role("link", name="End the schedule").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("None. A schedule makes an export")).to_be_visible()


def test_readers_export_and_change_nothing_else(open_page: Open, site: Site) -> None:
    page = open_page("/reports/exports/new", email=READER)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("Submitted. This page shows how far it is.")).to_be_visible()
    work(site)
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    expect(page.get_by_role("link", name="Delete the export")).to_have_count(0)
    for path in ("/reports/exports/schedule", f"/reports/exports/{newest(site).export_id}/delete"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 403
