"""The JSON Schema of a message as it is posted; `intake.request` reads the same fields, and a test holds the two together."""

from typing import Any, Final

from posthouse.intake.request import READERS
from posthouse.intake.request_fields import VERIFIED
from posthouse.model.limits import (
    ADDRESS_OCTETS,
    ATTACHMENTS_PER_MESSAGE,
    DISPLAY_NAME_CHARS,
    FILENAME_CHARS,
    HEADER_VALUE_CHARS,
    HEADERS_PER_MESSAGE,
    MAILING_TYPE_CHARS,
    MASS_REASON_CHARS,
    MASS_RECIPIENTS,
    MASS_WINDOW_MINUTES,
    MESSAGE_LIFETIME_S,
    MESSAGES_PER_CALL,
    METADATA_CHARS,
    METADATA_ENTRIES,
    PRIORITY_DEFAULT,
    PRIORITY_HIGHEST,
    PRIORITY_LOWEST,
    RECIPIENTS_PER_MESSAGE,
    SUBJECT_CHARS,
    TAG_CHARS,
    TAGS_PER_MESSAGE,
)
from posthouse.model.words import MailClass, Pool
from posthouse.web.api.operation import Schema

_LINE: Final = "^[^\\x00-\\x1f\\x7f]*$"  # no line breaks and other control characters
_ADDRESS: Final[Schema] = {
    "title": "address",
    "anyOf": [
        {
            "type": "string",
            "maxLength": 2 * ADDRESS_OCTETS + DISPLAY_NAME_CHARS,
            "examples": ["Ann Example <ann@example.com>"],
        },
        {
            "type": "object",
            "properties": {
                "address": {"type": "string", "maxLength": ADDRESS_OCTETS},
                "name": {"type": "string", "maxLength": DISPLAY_NAME_CHARS, "pattern": _LINE},
            },
            "required": ["address"],
            "additionalProperties": False,
        },
    ],
}
_ATTACHMENT: Final[Schema] = {
    "type": "object",
    "properties": {
        "filename": {
            "type": "string",
            "minLength": 1,
            "maxLength": FILENAME_CHARS,
            "description": "types that can run programs are refused",
        },
        "content": {"type": "string", "contentEncoding": "base64"},
        "content_type": {"type": "string", "description": "guessed from the filename when absent"},
        "content_id": {
            "type": "string",
            "maxLength": 202,
            "description": "shown inline where the HTML says `cid:` and this",
        },
    },
    "required": ["filename", "content"],
    "additionalProperties": False,
}


def _addresses(description: str) -> dict[str, Any]:
    several = {"type": "array", "items": _ADDRESS, "maxItems": RECIPIENTS_PER_MESSAGE}
    return {"anyOf": [_ADDRESS, several], "description": description}


def _texts(description: str, most: int, longest: int) -> dict[str, Any]:
    value = {"type": "string", "maxLength": longest, "pattern": _LINE}
    return {"type": "object", "additionalProperties": value, "maxProperties": most, "description": description}


_PROPERTIES: Final[dict[str, Schema]] = {
    "from": {
        **_ADDRESS,
        "description": "the sender, of a verified domain: `ann@example.com`, `Ann <ann@example.com>` or an object with address and name",
    },
    "to": _addresses(f"recipients; to, cc and bcc together have 1 to {RECIPIENTS_PER_MESSAGE}"),
    "cc": _addresses("recipients of a copy"),
    "bcc": _addresses("recipients nobody else sees"),
    "reply_to": _addresses("where answers go"),
    "subject": {"type": "string", "maxLength": SUBJECT_CHARS, "pattern": _LINE, "default": ""},
    "html": {"type": "string", "description": "the HTML part; a text part is made from it when `text` is absent"},
    "text": {"type": "string", "description": "the text part"},
    "raw": {
        "type": "string",
        "minLength": 1,
        "description": "instead of from, subject, html, text, attachments and headers: a whole MIME message, as it is or in base64."
        " Its To, Cc and Bcc are the recipients unless to, cc or bcc are given",
    },
    "attachments": {"type": "array", "items": _ATTACHMENT, "maxItems": ATTACHMENTS_PER_MESSAGE},
    "headers": _texts(
        "further header fields by name; those Posthouse writes itself are refused",
        HEADERS_PER_MESSAGE,
        HEADER_VALUE_CHARS,
    ),
    "tags": {
        "type": "array",
        "items": {"type": "string", "minLength": 1, "maxLength": TAG_CHARS, "pattern": _LINE},
        "maxItems": TAGS_PER_MESSAGE,
        "description": "words to find and count messages by",
    },
    "metadata": _texts("your own names and values, shown with the message", METADATA_ENTRIES, METADATA_CHARS),
    "class": {
        "type": "string",
        "enum": [*MailClass],
        "description": "what the message is for; the key's class when absent",
    },
    "mailing_type": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAILING_TYPE_CHARS,
        "pattern": _LINE,
        "description": "which of your marketing it is, say Newsletter: who unsubscribes from it still gets the others",
    },
    "pool": {
        "type": "string",
        "enum": [*Pool],
        "description": "the lane it leaves by; the one of its class when absent. A transactional message may choose `notification`:"
        " mail each of many people wants, which waits behind none of theirs and is never taken for mass mail",
    },
    "priority": {
        "type": "integer",
        "minimum": PRIORITY_LOWEST,
        "maximum": PRIORITY_HIGHEST,
        "default": PRIORITY_DEFAULT,
        "description": f"{PRIORITY_LOWEST} is lowest, {PRIORITY_HIGHEST} highest; the workspace can change the default",
    },
    "send_at": {
        "type": "string",
        "format": "date-time",
        "description": "not before this time, with its zone; at most a year ahead",
    },
    "expires_in": {
        "type": "integer",
        "minimum": 1,
        "maximum": MESSAGE_LIFETIME_S,
        "description": "seconds after which it is given up instead of delivered late, as a login code needs",
    },
    "tls": {
        "type": "string",
        "enum": [VERIFIED],
        "description": "`verified`: rather not at all than to a receiver that does not prove by its certificate who it is",
    },
    "mass_reason": {
        "type": "string",
        "minLength": 1,
        "maxLength": MASS_REASON_CHARS,
        "pattern": _LINE,
        "description": f"why this text may go to more than {MASS_RECIPIENTS} people in {MASS_WINDOW_MINUTES} minutes although it is neither"
        " marketing nor a notification, say a warning to everybody; kept in the audit log",
    },
}
assert _PROPERTIES.keys() == READERS.keys(), "the reference and the parser name different fields"

MESSAGE: Final[Schema] = {"type": "object", "properties": _PROPERTIES, "additionalProperties": False}
MESSAGE_BODY: Final[Schema] = {
    "anyOf": [
        {"$ref": "#/components/schemas/Message"},
        {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Message"},
            "minItems": 1,
            "maxItems": MESSAGES_PER_CALL,
        },
    ]
}
EXAMPLE: Final[dict[str, Any]] = {
    "from": "Ann Example <ann@example.com>",
    "to": ["bo@example.org"],
    "subject": "Your receipt",
    "text": "Thank you. The receipt is attached.",
    "attachments": [{"filename": "receipt.pdf", "content": "JVBERi0xLjQK", "content_type": "application/pdf"}],
    "tags": ["receipt"],
    "metadata": {"order": "10-4711"},
    "priority": 7,
}
