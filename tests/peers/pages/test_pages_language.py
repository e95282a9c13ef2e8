"""Nothing a person reads is outside the catalogues: in the pseudo-language every sentence is in brackets, in Danish it is Danish."""

import re

import pytest
from playwright.sync_api import expect
from tests.page_world import Site
from tests.peers.pages.conftest import Open
from tests.peers.pages.test_pages_access import PATHS, filled

# Every text and every spoken attribute outside what is marked as data, code or time.
_TEXTS = """() => {
  const data = '[translate=no], code, pre, kbd, time, script, style, title, option[translate=no], .plot text';
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (!walk.currentNode.parentElement.closest(data)) found.push(walk.currentNode.textContent.trim());
  for (const each of document.querySelectorAll('[title], [aria-label], [placeholder], [alt]'))
    for (const name of ['title', 'aria-label', 'placeholder', 'alt'])
      if (each.getAttribute(name) && !each.closest(data)) found.push(each.getAttribute(name));
  return found;
}"""


@pytest.mark.parametrize("path", PATHS)
def test_every_sentence_goes_through_the_catalogue(open_page: Open, site: Site, path: str) -> None:
    page = open_page(filled(path, site), locale="en-XA", extra_http_headers={"accept-language": "en-XA"})
    naked = [text for text in page.evaluate(_TEXTS) if re.search(r"[^\W\d_]{2,}", text) and "⟦" not in text]
    assert naked == []


def test_the_sign_in_page_speaks_the_browsers_language(open_page: Open) -> None:
    page = open_page("/sign-in", email=None, locale="da-DK")
    expect(page.get_by_role("heading", name="Log ind")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "da")


def test_the_chosen_language_is_kept_and_numbers_follow_it(open_page: Open) -> None:
    page = open_page("/settings/you")
    page.get_by_label("Language of these pages").select_option("da")
    page.locator("form[action='/settings/language'] button").click()
    expect(page.get_by_role("heading", name="Indstillinger", level=1)).to_be_visible()
    page.goto("/")
    expect(page.get_by_text(re.compile(r"\d,\d %")).first).to_be_visible()
    page.goto("/settings/you")
    page.get_by_label("Sidernes sprog").select_option("en")
    page.locator("form[action='/settings/language'] button").click()
    expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
