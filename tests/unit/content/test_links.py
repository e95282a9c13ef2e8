"""Which hosts a mail leads to."""

import time
from datetime import UTC, datetime

import pytest

from posthouse.content.links import host_of, hosts
from posthouse.content.render import render
from posthouse.content.stamp import Stamp
from posthouse.model.limits import LINK_HOSTS, LINK_TEXT_OCTETS
from posthouse.wire.addresses import Mailbox
from posthouse.wire.mime import Attachment, Draft

STAMP = Stamp("<x@acme.test>", datetime(2026, 11, 23, tzinfo=UTC), "f")


def mail(**fields: object) -> bytes:
    draft = Draft(Mailbox("ann@acme.test"), (Mailbox("bob@there.test"),), **fields)  # type: ignore[arg-type]
    return render(draft, STAMP, bytes(16))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Bad.Example/x?y=http://other.example", "bad.example"),
        ("//bad.example", "bad.example"),
        ("http:\\\\bad.example\\x", "bad.example"),
        ("https://good.example@bad.example:8443/", "bad.example"),
        (" ht\ntps://bad.example", "bad.example"),
        ("https://b%61d.example/", "bad.example"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://bad.example./", "bad.example"),
        ("www.bad.example,", "www.bad.example"),
        ("https://192.0.2.1/", None),
        ("https://0x7f.1/", None),
        ("https://127.0x1/", None),
        ("https://[2001:db8::1]/", None),
        ("https://[broken", None),
        ("https://localhost/", None),
        ("https://{{ shop }}/", None),
        ("/page.html", None),
        ("page.html", None),
        ("mailto:ann@bad.example", None),
        ("cid:logo@bad.example", None),
        ("data:text/html,https://bad.example", None),
        ("", None),
    ],
)
def test_the_host_is_the_one_a_browser_goes_to(url: str, host: str | None) -> None:
    assert host_of(url) == host


def test_links_images_and_forms_of_a_page_and_urls_of_a_text_are_found_in_order() -> None:
    page = """<base href="https://base.example/"><body background="//back.example/b.png">
        <a href="https://link.example/?a&amp;b">x</a><img src="http://image.example/i"><form action=https://form.example>
        <p style="background: url(https://style.example/s.png)">or https://typed.example.</p><a href="/relative">y</a>"""
    text = "Look at https://text.example/path, (www.plain.example) or “http://quoted.example”."
    assert hosts(mail(text=text)) == ("text.example", "www.plain.example", "quoted.example")
    found = hosts(mail(text="https://text.example", html=page))
    assert found[0] == "text.example"
    assert set(found[1:]) == {f"{name}.example" for name in ["base", "back", "link", "image", "form", "style", "typed"]}


def test_an_attachment_is_not_read() -> None:
    attached = Attachment("a.html", "text/html", b"<a href='https://attached.example'>x</a>")
    assert hosts(mail(text="https://text.example", attachments=(attached,))) == ("text.example",)


@pytest.mark.parametrize(
    ("html", "most"),
    [
        ("".join(f"<a href='https://h{number}.example/'>x</a>" for number in range(200_000)), LINK_HOSTS),
        ("<a href='https://h.example/'>x</a>" * 30_000, 1),
        ("<div>" * 200_000 + "<a href='https://deep.example'>x</a>", 1),
        ("<a" + " href=x" * 140_000 + ">", 0),
        ("www." * 250_000, 0),
        ("x" * LINK_TEXT_OCTETS + " https://late.example", 0),
    ],
    ids=["many", "the same", "deep", "attributes", "words", "late"],
)
def test_a_mail_of_a_million_links_costs_no_more_than_a_long_one(html: str, most: int) -> None:
    began = time.thread_time()
    assert len(hosts(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode())) == most
    assert time.thread_time() - began < 3


@pytest.mark.parametrize(
    "content", [b"", b"\r\n\r\n", b"Content-Type: text/html; charset=nonsense\r\n\r\n<a href='\xff'>"]
)
def test_what_is_broken_leads_nowhere(content: bytes) -> None:
    assert hosts(content) == ()
