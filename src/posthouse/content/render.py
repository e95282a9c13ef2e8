"""A checked draft and its stamp become the final message."""

from dataclasses import replace

from resiliparse.extract.html2text import extract_plain_text

from posthouse.content.stamp import Stamp
from posthouse.wire.mime import Draft, write


def render(draft: Draft, stamp: Stamp, entropy: bytes) -> bytes:
    """The bytes to store, sign and send; `entropy` is 16 random octets. `draft.problems` must have come back empty."""
    # An empty page is no page: next to a text it would be the blank half that people see.
    html = draft.html or None
    text = draft.text or (text_of(html) if html else None)
    draft = replace(draft, html=html, text=text or None)
    own = (("Date", stamp.date_text), ("Message-ID", stamp.message_id), ("Feedback-ID", stamp.feedback_id))
    return write(draft, own, entropy)


def text_of(html: str) -> str:
    """What a page says without its looks, links kept beside their text: some people read this, and filters expect it."""
    html = html.encode("utf-8", "replace").decode()  # lone surrogates, which no charset can write
    return str(extract_plain_text(html, links=True, alt_texts=True, preserve_formatting=True)).strip()
