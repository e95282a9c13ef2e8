"""What a message says: from what somebody composed or submitted to the exact bytes that will be signed and sent.

The room is pure: ids, clock and random come in as arguments, bytes and values go out. It owns no table; the bytes it makes are
kept by the outbox and are what every attempt, every MX and the "as sent" view use.

Two ways lead to the same end, content that needs nothing more than its DKIM signatures:

- *Composed* (JSON, pages). `draft.problems` lists every field that could not be written safely, with pointers into the JSON.
  `stamp.stamp` makes what the house adds: Message-ID, Date, Feedback-ID. `render.render` makes a text part when only HTML came
  (`render.text_of`) and hands all of it to `wire.mime.write`.
- *Submitted* (SMTP, or MIME in the API's `raw`). `submitted.prepare` refuses mail with no author or several, loops and broken
  headers; takes out Bcc, Return-Path and every X-Mail-* field, handing back their values; puts a Received line on top, and Date,
  Message-ID and Feedback-ID where they are missing; and leaves every other byte as it came, because inline images, calendars
  and S/MIME live on single bytes.

Mail that is sent once more takes neither way: `stamp.restamp` changes its Message-ID and Date and nothing else.

`links.hosts` reads what a finished message leads to, whichever way it came.

What it never does: decide who may send, choose a road, look at a clock, sign, or rebuild MIME that somebody else wrote.
"""
