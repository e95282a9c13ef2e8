"""What is kept, what is forgotten, what is found."""

from datetime import UTC, datetime, timedelta

from posthouse.lab import views
from posthouse.lab.mailbox import Mailbox, Received

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


def add(
    mailbox: Mailbox, to: str = "anna@example.org", subject: str = "Hi", size: int = 0, after_s: int = 0
) -> Received:
    return mailbox.add(
        received_at=START + timedelta(seconds=after_s),
        mail_from="b123@bounces.test",
        recipients=(to,),
        content=f"From: Shop <shop@example.com>\r\nSubject: {subject}\r\n\r\n".encode() + b"x" * size,
        peer="127.0.0.1",
        helo="mail.test",
        tls="",
    )


def test_the_oldest_mail_goes_when_there_are_too_many() -> None:
    mailbox = Mailbox(most_messages=3)
    for number in range(5):
        add(mailbox, subject=str(number))
    assert [mail.number for mail in mailbox.search()] == [5, 4, 3]
    assert mailbox.get(1) is None
    assert mailbox.total == 5


def test_the_oldest_mail_goes_when_they_are_too_large_but_the_newest_stays() -> None:
    mailbox = Mailbox(most_octets=1_000)
    for size in (400, 400, 5_000):
        add(mailbox, size=size)
    assert [mail.number for mail in mailbox.search()] == [3]


def test_a_search_looks_at_recipient_sender_subject_and_time() -> None:
    mailbox = Mailbox()
    add(mailbox, to="anna@example.org", subject="=?utf-8?q?K=C3=A6re_faktura?=")
    add(mailbox, to="bo@example.org", subject="Reset", after_s=60)
    assert [mail.number for mail in mailbox.search("FAKTURA shop")] == [1]
    assert [mail.number for mail in mailbox.search(to="Bo@")] == [2]
    assert [mail.number for mail in mailbox.search(since=START + timedelta(seconds=1))] == [2]
    assert list(mailbox.search("nothing like it")) == []


def test_forgetting_says_how_many() -> None:
    mailbox = Mailbox()
    add(mailbox)
    add(mailbox)
    assert mailbox.clear() == 2
    assert len(mailbox) == 0
    assert add(mailbox).number == 3


def test_inline_images_are_put_into_the_html_and_remote_ones_left_alone() -> None:
    content = (
        b'Content-Type: multipart/related; boundary="x"\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n'
        b'<img src="cid:logo"><img src="cid:gone"><img src="https://example.com/a.png">\r\n'
        b"--x\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--x--\r\n"
    )
    received = Received(1, START, "", ("a@b.test",), content, "127.0.0.1", "h", "")
    found = views.content(received)
    assert 'src="data:image/png;base64,iVBORw=="' in found.html
    assert 'src="cid:gone"' in found.html
    assert [(a.name, a.content_type) for a in found.attachments] == [("logo.png", "image/png")]
