"""Bytes to values and back: the protocols and formats of mail, without sockets, clocks, randomness or tables.

Everything here can be driven by a test one byte at a time. What the world knows comes in as an argument: `now`, `entropy`, keys,
and answers from the DNS through the `lookups.Lookups` protocol.

Conversations are machines that take bytes and return events, and take decisions and return bytes:

- `smtp_server` is the side that accepts, with its grammar (`smtp_server_commands`), data (`smtp_data`, `smtp_server_data`), replies
  and AUTH (`sasl`).
- `smtp_client` is the side that delivers, one mail at a time (`smtp_transaction`), with what was said kept for people
  (`smtp_transcript`). `mx` orders the hosts it should call; `mta_sts` and `dane` read what those publish about their encryption,
  `tlsrpt` has the words for how it went.

A message on its way out passes, in this order:

- `addresses.parse_address` reads what was typed; `mime.write` makes the bytes of a composed message, its fields by `mime_fields`
  and `encoded_words`. A submitted message is never rebuilt: `headers` cuts, removes and puts on top, byte for byte, and
  `address_list` says who is named in it.
- `verp.encode` makes the return path of one recipient.
- `dkim.sign` puts the signatures (`dkim_keys`) on top, over the forms of `canonical`.

A message on its way in is read by `parts.walk`; `verp.decode` says whom it is about, `dsn.parse` and `arf.parse` what happened
(`reports` is their common frame), `dsn.is_auto_reply` that only a program answered; `notice.read` and `notice_addresses.recipients` read
the many letters about failures that have no fields. `dkim_verify.verify`, `spf.check_host` and
`dmarc.evaluate` give the verdict a receiver would give; the lab shows it, and domains are checked with the same code.

What receivers report about a domain comes as files: `report_files.read` finds them in whatever they are packed in (`unpacking`), and
has `dmarc_aggregate` (as a stream, through `report_xml`), `dmarc_failure` and `tlsrpt_report` read them; `report_values` are the
spellings they share.

Block lists in the DNS are asked as `dnsbl` (addresses) and `uribl` (domains) say, which also know what an answer means.

Readers take whatever strangers send: they are bounded, they never raise, and what they cannot read is left out or becomes a
result with a reason. Writers refuse what could break out of its place. A peer that breaks a conversation's rules is a
`RemoteProtocolError` or a refusing reply, never a crash.

What the room never does: open a connection, ask the DNS, read a clock, choose a recipient, or know that a database exists.
"""
