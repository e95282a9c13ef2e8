"""The last line of marketing mail that is composed here: where its sender is reached by post. Pure."""

import html
from dataclasses import replace
from typing import Final

from posthouse.wire.mime import Draft

_LINE: Final = '\n<p style="margin:24px 0 0;font-size:12px;line-height:1.5">{}</p>\n'


def with_address(draft: Draft, postal_address: str) -> Draft:
    """The draft with the address below its text and its page; a text that is to be made of the page has it from there."""
    page = _below_page(draft.html, postal_address) if draft.html else draft.html
    text = _below_text(draft.text or "", postal_address) if draft.text or not page else draft.text
    return replace(draft, text=text, html=page)


def _below_text(text: str, postal_address: str) -> str:
    return f"{text.rstrip()}\n\n{postal_address}\n".lstrip("\n")


def _below_page(page: str, postal_address: str) -> str:
    """Before the tags the page ends with, so that it stands where all that can be seen stands."""
    kept = page.rstrip()
    for end in ("</html>", "</body>"):
        if kept[-len(end) :].lower() == end:
            kept = kept[: -len(end)].rstrip()
    return kept + _LINE.format(html.escape(postal_address)) + page[len(kept) :]
