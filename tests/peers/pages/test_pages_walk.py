"""A person's walk through the pages in a real Chromium: sign in, look, search, send, add a domain, mind the queue."""

import re
import time

import pytest
from playwright.sync_api import Browser, expect
from tests.page_world import EMAIL, PASSWORD, READER, Site
from tests.peers.pages.conftest import Open, sign_in

from posthouse.accounts import changes, users
from posthouse.accounts import sign_in as signing


def test_a_wrong_password_is_refused_in_words_and_the_address_stays(site: Site, open_page: Open) -> None:
    page = open_page("/sign-in", email=None)
    sign_in(page, site, EMAIL, "not the password at all")
    expect(page.get_by_role("alert")).to_contain_text("Email or password is wrong.")
    expect(page.get_by_label("Email")).to_have_value(EMAIL)


def test_after_signing_in_one_is_where_one_wanted_to_go(open_page: Open) -> None:
    page = open_page("/queue", email=None)
    expect(page).to_have_url(re.compile("/sign-in"))
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Queue", level=1)).to_be_visible()


def test_signing_out_ends_the_session(open_page: Open, site: Site) -> None:
    page = open_page("/sign-in", email=None)
    sign_in(page, site, READER)
    page.get_by_role("button", name="Sign out").click()
    page.goto("/messages")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_home_tells_today_and_every_number_leads_to_its_messages(open_page: Open) -> None:
    page = open_page("/")
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile(r"shop\.acme\.example is not verified"))).to_be_visible()
    page.get_by_role("link", name=re.compile("^Delivered")).first.click()
    expect(page).to_have_url(re.compile(r"/messages\?.*state=delivered"))
    expect(page.locator("#rows tbody tr").first).to_contain_text("Delivered")


def test_a_new_workspace_is_shown_how_to_send_its_first_mail(new_site: Site, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, new_site, EMAIL)
    expect(page.get_by_role("heading", name="Send your first mail")).to_be_visible()
    expect(page.locator("#curl")).to_contain_text("/v1/messages")
    page.get_by_role("link", name="Messages", exact=True).click()
    expect(page.get_by_role("heading", name="No messages yet")).to_be_visible()
    page.get_by_role("link", name="Queue", exact=True).click()
    expect(page.get_by_role("heading", name="The queue is empty")).to_be_visible()
    context.close()


def test_the_list_pages_back_through_all_messages(open_page: Open) -> None:
    page = open_page("/messages")
    first = page.locator("#rows a.row").first.get_attribute("href")
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#rows tbody tr")).to_have_count(50)
    assert page.locator("#rows a.row").first.get_attribute("href") != first
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("#rows a.row").first).to_have_attribute("href", str(first))


def test_slash_searches_for_a_recipient(open_page: Open) -> None:
    page = open_page("/messages")
    page.keyboard.press("/")
    page.keyboard.type("sofia@")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=sofia%40"))
    expect(page.locator("#rows tbody tr").first).to_be_visible()
    recipients = page.locator("#rows .c-to").all_inner_texts()[1:]
    assert all("sofia@" in each or "+" in each for each in recipients)


def test_filters_are_in_the_address_and_survive_a_search(open_page: Open) -> None:
    page = open_page("/messages?state=bounced")
    page.get_by_text("Filters").click()
    page.get_by_label("Destination domain").fill("gmail.com")
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile(r"state=bounced.*domain=gmail\.com"))
    for text in page.locator("#rows tbody tr").all_inner_texts():
        assert "Bounced" in text


def test_nothing_found_says_how_to_search(open_page: Open) -> None:
    expect(open_page("/messages?q=zzzzz").get_by_role("heading", name="Nothing found")).to_be_visible()


def test_a_message_tells_its_story_with_the_words_of_the_other_server(open_page: Open, site: Site) -> None:
    page = open_page(f"/messages/{site.world.examples['bounced']}")
    expect(page.locator("#life")).to_contain_text("The email account that you tried to reach does not exist")
    page.get_by_text("SMTP transcript").last.click()
    expect(page.locator(".transcript").last).to_contain_text("RCPT TO:")


def test_the_mail_is_shown_in_a_frame_that_can_do_nothing(open_page: Open, site: Site, asked: list[str]) -> None:
    page = open_page(f"/messages/{site.world.examples['delivered']}")
    frame = page.frame_locator("iframe.preview")
    expect(frame.get_by_role("heading", level=1)).to_be_visible()
    expect(frame.get_by_text("Trail shoes, size 42")).to_be_visible()
    assert not [address for address in asked if "images.acme.example" in address]
    assert page.title() != "scripted"
    expect(page.get_by_role("link", name="Load remote images")).to_be_visible()


def test_text_headers_source_and_download_show_the_same_mail(open_page: Open, site: Site) -> None:
    page = open_page(f"/messages/{site.world.examples['delivered']}?tab=text")
    expect(page.locator("pre.source")).to_contain_text("thank you for your order")
    page.get_by_role("link", name="Headers").click()
    expect(page.get_by_role("row", name=re.compile("^Message-ID"))).to_be_visible()
    page.get_by_role("link", name="Source").click()
    expect(page.locator("pre.source")).to_contain_text("MIME-Version: 1.0")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download .eml").click()
    assert b"DKIM-Signature:" in download.value.path().read_bytes()


def test_send_a_test_shows_the_road_first_and_then_follows_the_mail(open_page: Open) -> None:
    page = open_page("/send")
    expect(page.locator("#road")).to_contain_text("Transactional")
    page.get_by_label("To", exact=True).fill("bob@there.example, eve@there.example")
    expect(page.locator("#road")).to_contain_text("eve@there.example")
    page.get_by_label("Priority").select_option("9")
    expect(page.locator("#road dd").nth(2)).to_have_text("9")
    page.get_by_label("Subject").fill("A test from the browser")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page).to_have_url(re.compile(r"/messages/[0-9a-f-]{36}"))
    expect(page.get_by_role("heading", name="A test from the browser")).to_be_visible()
    expect(page.get_by_role("table", name="Recipients")).to_contain_text("eve@there.example")
    page.get_by_role("button", name=re.compile("^Cancel: 2 mails will never be sent")).click()
    expect(page.locator("#life")).to_contain_text("2 Cancelled")


def test_a_bad_address_is_told_beside_its_field_and_nothing_is_lost(open_page: Open) -> None:
    page = open_page("/send")
    page.get_by_label("To", exact=True).fill("not an address")
    page.get_by_label("Text").fill("kept words")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#to-wrong")).to_be_visible()
    expect(page.get_by_label("To", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Text")).to_have_value("kept words")


def test_a_domain_is_added_with_its_records_and_removed_after_asking(open_page: Open) -> None:
    page = open_page("/domains")
    page.get_by_label("Add a domain").fill("Kafé.example")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="xn--kaf-dma.example")).to_be_visible()
    expect(page.get_by_text("_posthouse.xn--kaf-dma.example")).to_have_count(2)
    page.get_by_role("link", name="Remove this domain").click()
    expect(page.get_by_text("Its signing keys are destroyed.")).to_be_visible()
    page.get_by_role("button", name="Remove this domain").click()
    expect(page.get_by_role("status").first).to_contain_text("Removed.")


def test_a_name_that_is_no_domain_is_refused_beside_the_field(open_page: Open) -> None:
    page = open_page("/domains")
    page.get_by_label("Add a domain").fill("no domain")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#name-wrong")).to_be_visible()


def test_the_domain_page_says_what_is_missing_and_what_is_there_instead(open_page: Open, site: Site) -> None:
    page = open_page(f"/domains/{site.world.unverified_domain}")
    expect(page.get_by_text("There is no such record at _posthouse.shop.acme.example yet.")).to_be_visible()
    expect(page.get_by_text("p=MIIBIjANold")).to_be_visible()


def test_keys_are_replaced_in_steps_and_a_new_one_may_be_taken_back(open_page: Open) -> None:
    page = open_page("/domains")
    page.locator("a.row").first.click()
    keys = page.get_by_role("table", name="DKIM keys").locator("tbody tr")
    expect(keys).to_have_count(2)
    page.get_by_role("button", name="Replace the keys").click()
    expect(page.get_by_text("New keys are waiting.")).to_be_visible()
    expect(keys.filter(has_text="Signing")).to_have_count(2)
    for _ in range(2):
        page.get_by_role("button", name="Remove the key").first.click()
        expect(page.get_by_text("Removed.")).to_be_visible()
    expect(keys).to_have_count(2)
    expect(page.get_by_role("button", name="Replace the keys")).to_be_visible()


def test_a_key_is_shown_once_and_can_be_revoked(open_page: Open) -> None:
    page = open_page("/keys/new?kind=api_key")
    page.get_by_label("Name").fill("Test robot")
    page.get_by_role("button", name="Make it").click()
    secret = page.locator(".secret code").inner_text()
    assert re.fullmatch(r"ph_\d+_[a-z2-7]{32}", secret)
    page.goto("/keys")
    assert secret not in page.content()
    page.get_by_role("link", name="Revoke Test robot").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name=re.compile("Test robot"))).to_contain_text("Revoked")


def test_the_queue_says_what_an_action_touches_before_it_does_it(open_page: Open) -> None:
    page = open_page("/queue")
    page.get_by_role("link", name="Hold: yahoo.com").click()
    expect(page.get_by_text(re.compile(r"\d+ mails stop until you release them\."))).to_be_visible()
    page.get_by_role("button", name="Hold").click()
    expect(page.get_by_text("Held until you release it.")).to_be_visible()
    page.get_by_role("link", name="Release: yahoo.com").click()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("Released.")).to_be_visible()


def test_a_destination_is_suspended_its_mail_says_so_and_it_is_resumed(open_page: Open, site: Site) -> None:
    page = open_page("/queue")
    page.get_by_role("link", name="Suspend: yahoo.com").click()
    expect(page.get_by_label("Destination")).to_have_value("yahoo.com")
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("alert")).to_contain_text("Say why: whoever asks why the mail waits is told.")
    page.get_by_label("Reason").fill("They asked for a pause")
    page.get_by_label("For how long").select_option("1 day")
    page.get_by_role("button", name="Suspend").click()
    row = page.get_by_role("row", name=re.compile("Mail for yahoo.com"))
    expect(row).to_contain_text("They asked for a pause.")
    page.goto(f"/messages/{site.world.examples['waiting']}")
    expect(page.locator("#life")).to_contain_text("Mail for yahoo.com is suspended by ann@acme.example until")
    page.goto("/queue")
    page.get_by_role("button", name="Resume: Mail for yahoo.com").click()
    expect(page.get_by_text("Resumed. The mail goes at its own time.")).to_be_visible()
    expect(row).to_have_count(0)


def test_mail_is_chosen_by_conditions_counted_and_only_then_bounced(open_page: Open) -> None:
    page = open_page("/queue/select")
    page.get_by_role("button", name="Bounce").click()
    expect(page.get_by_role("alert")).to_contain_text("Give at least one condition.")
    page.get_by_label("Destination").fill("kommune.example")
    page.get_by_label("State").select_option("Held")
    page.get_by_label("Words of the last reply").fill("stopped by")
    page.get_by_role("button", name="Bounce").click()
    expect(page.get_by_text(re.compile(r"mails? ends? as bounced"))).to_be_visible()
    page.get_by_role("button", name="Bounce").click()
    expect(page.locator(".wrong")).to_contain_text("Say why: the reason is shown as that of the bounce.")
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_label("Destination")).to_have_value("kommune.example")


def test_marketing_is_moved_among_resets_only_by_force(open_page: Open) -> None:
    page = open_page("/queue/move?domain=kommune.example&to=marketing")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("Moved to the other pool.")).to_be_visible()
    page.get_by_role("link", name="More: kommune.example").click()
    page.get_by_label("Move to the pool").select_option("transactional")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text(re.compile("of them (is|are) marketing"))).to_be_visible()
    page.get_by_label("Move marketing too").check()
    page.get_by_label("Reason").fill("They were moved by mistake")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("Moved to the other pool.")).to_be_visible()


def test_a_number_of_the_queue_opens_exactly_that_many_messages(open_page: Open) -> None:
    page = open_page("/queue")
    link = page.locator("tr", has_text="kommune.example").locator("td.total a")
    count = int(link.inner_text())
    link.click()
    expect(page.locator("#rows tbody tr")).to_have_count(count)


def test_the_default_priority_is_saved_and_audited(open_page: Open) -> None:
    page = open_page("/settings")
    page.get_by_label("Default priority").select_option("6")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    page.get_by_role("link", name="Audit log").click()
    expect(page.locator("tbody tr").first).to_contain_text("default priority: 4 → 6")
    page.goto("/settings")
    page.get_by_label("Default priority").select_option("4")
    page.get_by_role("button", name="Save").click()


def test_a_mail_is_sent_again_after_asking_and_the_new_one_leads_back(open_page: Open, site: Site) -> None:
    old = f"/messages/{site.world.examples['delivered']}"
    page = open_page(old)
    page.get_by_role("link", name="Send again").click()
    expect(page.get_by_text("Whoever is ticked gets this mail once more")).to_be_visible()
    boxes = page.get_by_role("checkbox")
    assert boxes.count() > 0
    assert all(box.is_checked() for box in boxes.all())
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("Accepted. This page follows it.")).to_be_visible()
    page.get_by_role("link", name=str(site.world.examples["delivered"])).click()
    expect(page).to_have_url(re.compile(f"{old}$"))


def test_when_nobody_is_ticked_nothing_is_sent_again(open_page: Open, site: Site) -> None:
    page = open_page(f"/messages/{site.world.examples['delivered']}/resend")
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("There was nothing left to do it to.")).to_be_visible()


def test_what_is_still_on_its_way_is_not_offered_to_be_sent_again(open_page: Open, site: Site) -> None:
    waiting = f"/messages/{site.world.examples['waiting']}"
    page = open_page(waiting)
    expect(page.get_by_role("link", name="Send again")).to_have_count(0)
    page.goto(f"{waiting}/resend")
    expect(page.get_by_text("This mail is still on its way.")).to_be_visible()
    expect(page.get_by_role("button", name="Send again")).to_have_count(0)


def test_a_reader_sees_but_is_offered_no_change_and_cannot_make_one(open_page: Open, site: Site) -> None:
    page = open_page(f"/messages/{site.world.examples['waiting']}", email=READER)
    expect(page.locator("#life form")).to_have_count(0)
    again = f"/messages/{site.world.examples['delivered']}/resend"
    expect(page.get_by_role("link", name="Send a test")).to_have_count(0)
    for path in ("/send", "/keys/new", "/queue/hold?domain=yahoo.com", "/queue/suspend", "/settings/audit", again):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 403
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()


def test_a_form_from_elsewhere_changes_nothing(open_page: Open, site: Site) -> None:
    page = open_page("/settings")
    form = {"name": "Stolen", "default_priority": "9"}
    forged = page.request.post("/settings/workspace", form=form, headers={"sec-fetch-site": "cross-site"})
    assert forged.status == 409
    assert page.request.post("/settings/workspace", form=form).status == 409  # no token
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Acme")


def test_a_link_signs_in_by_its_button_only_and_only_once(site: Site, browser: Browser) -> None:
    token = site.call(_link(site))
    for _ in range(2):  # a mail scanner looks twice
        context = browser.new_context(base_url=site.address)
        page = context.new_page()
        page.goto(f"/sign-in/{token}")
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    page.goto(f"/sign-in/{token}")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("used already")


async def _link(site: Site) -> str:
    process = site.process
    async with changes.making(process, site.world.workspace_id, "test", operator=True) as change:
        member = await users.find(change.connection, site.world.workspace_id, READER)
        assert member is not None
        token = await signing.new_link(change, member.user.user_id)
    assert isinstance(token, str)
    return token


@pytest.mark.parametrize(
    "path", ["/", "/messages", "/messages?state=bounced", "/queue", "/domains", "/keys", "/settings"]
)
def test_pages_are_small_and_quick(open_page: Open, path: str) -> None:
    page = open_page("/settings")
    seconds = []
    for _ in range(7):
        started = time.perf_counter()
        answer = page.request.get(path)
        seconds.append(time.perf_counter() - started)
    assert len(answer.body()) < 100_000
    assert min(seconds) < 0.1  # the machine may be busy with other tests
