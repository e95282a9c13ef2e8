"""Every reply the SMTP server machine gives of its own accord, with the section that asks for the code.

Basic codes are RFC 5321 4.2, enhanced codes RFC 3463 and the registry of RFC 5248. Each reply is rendered once, at import.
"""

from typing import Final

from posthouse.model.values import dataclass

_REPLY_TEXT_OCTETS = 512 - len("250 10.10.10 \r\n")  # RFC 5321 4.5.3.1.5


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its basic code and what goes on the wire."""

    code: int
    octets: bytes


def reply(code: int, enhanced: str, text: str) -> Reply:
    """Render a one-line reply.

    `text` may quote what a stranger wrote, so anything that is not printable ASCII is written as an escape and the line is
    cut at the length every client must be able to read.
    """
    assert 200 <= code <= 599, code
    assert enhanced[:2] == f"{code // 100}.", (code, enhanced)
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    said = text.encode("ascii", "backslashreplace")[:_REPLY_TEXT_OCTETS]
    return Reply(code, b"%d %s %s\r\n" % (code, enhanced.encode("ascii"), said))


# --- The session
BYE: Final = reply(221, "2.0.0", "Bye")
DONE: Final = reply(250, "2.0.0", "OK")
HELP: Final = reply(214, "2.0.0", "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT, see RFC 5321")
VRFY: Final = reply(252, "2.0.0", "Cannot verify, but will take the message and try")  # RFC 5321 7.3
TIMEOUT: Final = reply(421, "4.4.2", "Nothing heard for too long, closing the connection")
SHUTDOWN: Final = reply(421, "4.3.2", "Going down for a moment, please try again")
TOO_MANY_ERRORS: Final = reply(421, "4.7.0", "Too many errors, closing the connection")
TOO_MANY_MESSAGES: Final = reply(421, "4.7.0", "Enough messages for one connection, please open another")
PIPELINE_FLOOD: Final = reply(421, "4.7.0", "Too much sent without waiting for a reply")

# --- Commands nobody can follow (RFC 5321 4.2.4, 4.3.2)
UNKNOWN: Final = reply(500, "5.5.2", "Command not recognised")
LINE_TOO_LONG: Final = reply(500, "5.5.2", "Command line too long")
BARE_LF_COMMAND: Final = reply(500, "5.5.2", "Commands end with CRLF, not with LF alone")
NOT_TEXT: Final = reply(501, "5.5.2", "Control characters or invalid UTF-8 in the command")
NO_ARGUMENT: Final = reply(501, "5.5.4", "This command takes no argument")
NOT_IMPLEMENTED: Final = reply(502, "5.5.1", "Command not implemented")
NOT_SMTP: Final = reply(554, "5.5.1", "This is a mail server")
BAD_HELLO: Final = reply(501, "5.5.4", "A host name or address literal is expected")
HELLO_FIRST: Final = reply(503, "5.5.1", "Say EHLO first")
NESTED_MAIL: Final = reply(503, "5.5.1", "A transaction is open already; RSET ends it")
MAIL_FIRST: Final = reply(503, "5.5.1", "Say MAIL first")
# RFC 5321 4.1.1.4; 503 would tell the client to retry
NO_RECIPIENTS: Final = reply(554, "5.5.1", "No valid recipients")

# --- STARTTLS (RFC 3207)
TLS_GO: Final = reply(220, "2.0.0", "Ready to start TLS")
TLS_ACTIVE: Final = reply(503, "5.5.1", "TLS is active already")
TLS_INJECTION: Final = reply(554, "5.5.1", "Nothing may follow STARTTLS before the handshake")

# --- AUTH (RFC 4954 4 and 6)
AUTHENTICATED: Final = reply(235, "2.7.0", "Authentication successful")
AUTH_BAD_ARGUMENT: Final = reply(501, "5.5.4", "AUTH takes a mechanism and at most one initial response")
AUTH_NOT_BASE64: Final = reply(501, "5.5.2", "Not valid base64")
AUTH_MALFORMED: Final = reply(501, "5.5.2", "Not valid credentials for this mechanism")
AUTH_CANCELLED: Final = reply(501, "5.7.0", "Authentication cancelled")
AUTH_LINE_TOO_LONG: Final = reply(500, "5.5.6", "Authentication line too long")
AUTH_AGAIN: Final = reply(503, "5.5.1", "Already authenticated")
AUTH_UNKNOWN: Final = reply(504, "5.5.4", "Unknown authentication mechanism")
AUTH_REQUIRED: Final = reply(530, "5.7.0", "Authentication required")
AUTH_NEEDS_TLS: Final = reply(538, "5.7.11", "Say STARTTLS before AUTH")
AUTH_TOO_OFTEN: Final = reply(421, "4.7.0", "Too many failed authentications, closing the connection")

# --- MAIL and RCPT (RFC 5321 4.1.1.2, 4.1.1.3, 4.1.1.11)
MAIL_SYNTAX: Final = reply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
RCPT_SYNTAX: Final = reply(501, "5.5.4", "Syntax: RCPT TO:<address>")
BAD_SENDER: Final = reply(501, "5.1.7", "Malformed sender address")
BAD_RECIPIENT: Final = reply(501, "5.1.3", "Malformed recipient address")
SENDER_ROUTE: Final = reply(501, "5.1.7", "Source routes are not accepted")
RECIPIENT_ROUTE: Final = reply(501, "5.1.3", "Source routes are not accepted")
NEEDS_SMTPUTF8: Final = reply(553, "5.6.7", "A non-ASCII address needs the SMTPUTF8 parameter")  # RFC 6531 3.5
BAD_PARAMETER: Final = reply(501, "5.5.4", "Malformed or repeated parameter")
UNKNOWN_PARAMETER: Final = reply(555, "5.5.4", "Unknown parameter")
SENDER_OK: Final = reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK: Final = reply(250, "2.1.5", "Recipient OK")
TOO_MANY_RECIPIENTS: Final = reply(452, "4.5.3", "Too many recipients")  # RFC 5321 4.5.3.1.10

# --- DATA (RFC 5321 4.1.1.4)
DATA_GO: Final = Reply(354, b"354 Send the message, end with CRLF.CRLF\r\n")
TOO_BIG: Final = reply(552, "5.3.4", "Message too big")  # RFC 1870 6.1
NUL_OCTET: Final = reply(554, "5.6.0", "The message contains a NUL octet")
BARE_LF: Final = reply(554, "5.6.0", "The message contains LF without CR; lines end with CRLF")
BARE_CR: Final = reply(554, "5.6.0", "The message contains CR without LF; lines end with CRLF")
LONG_LINE: Final = reply(554, "5.6.0", "The message contains a line that is too long")
LONG_HEADER: Final = reply(554, "5.6.0", "The header section is too long")
