"""Reading the `attachments` of a JSON submission, and the list of file types nobody may mail.

Gmail, Outlook and most gateways drop the whole message when a program is attached, at any depth of trust; refusing it here tells the
sender at once instead of a bounce, or silence, later.
"""

import binascii
import re
from typing import Final

from posthouse.intake.request_fields import text
from posthouse.intake.request_problems import Problems, step
from posthouse.model.limits import ATTACHMENTS_PER_MESSAGE, FILENAME_CHARS
from posthouse.wire.mime import Attachment

_FIELDS: Final = frozenset({"filename", "content", "content_type", "content_id"})
_NOT_IN_A_NAME: Final = re.compile(r"[\x00-\x1f\x7f/\\]")
# fmt: off
_BLOCKED: Final = frozenset({
    "ade", "adp", "apk", "appx", "appxbundle", "bat", "cab", "cdxml", "chm", "cmd", "com", "cpl", "diagcab",
    "dll", "dmg", "ex", "ex_", "exe", "gadget", "hta", "img", "ins", "iso", "isp", "jar", "jnlp", "js", "jse",
    "lib", "lnk", "mde", "mdt", "mdw", "mdz", "msc", "msh", "msh1", "msh2", "mshxml", "msi", "msix",
    "msixbundle", "msp", "mst", "nsh", "pif", "ps1", "ps1xml", "ps2", "ps2xml", "psc1", "psc2", "psd1", "psm1",
    "reg", "scf", "scr", "sct", "settingcontent-ms", "shb", "shs", "sys", "vb", "vbe", "vbs", "vhd", "vhdx",
    "vxd", "wsc", "wsf", "wsh", "xll",
})
# fmt: on
_TYPES: Final = {
    "csv": "text/csv",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gif": "image/gif",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "zip": "application/zip",
}
_UNUSABLE: Final = Attachment("unnamed", "application/octet-stream", b"")  # stands for a bad one


def blocked_extension(filename: str) -> str | None:
    """The extension, lower case without its dot, when files of that kind may not be mailed.

    Windows ignores dots and spaces at the end of a name, so `run.exe. ` is a program too.
    """
    extension = filename.rstrip(". \t").rpartition(".")[2].lower()
    return extension if extension in _BLOCKED and "." in filename else None


def attachments(value: object, at: str, problems: Problems) -> tuple[Attachment, ...] | None:
    """An array of objects with `filename`, `content` (base64), `content_type` and `content_id`."""
    if not isinstance(value, list):
        problems.wrong_type(at, "an array of attachments", value)
        return None
    if len(value) > ATTACHMENTS_PER_MESSAGE:
        problems.add(at, "too_many_attachments", f"At most {ATTACHMENTS_PER_MESSAGE} attachments per message.")
        return None
    found = (_attachment(item, f"{at}/{index}", problems) for index, item in enumerate(value))
    return tuple(each or _UNUSABLE for each in found)


def decode_base64(text: str) -> bytes | None:
    """The octets of base64 text (RFC 4648 section 4), line breaks allowed as in MIME; None when it is not base64."""
    try:
        return binascii.a2b_base64("".join(text.split()) if "\n" in text else text, strict_mode=True)
    except ValueError:
        return None


def _attachment(value: object, at: str, problems: Problems) -> Attachment | None:
    if not isinstance(value, dict):
        problems.wrong_type(at, "an object with filename and content", value)
        return None
    for name in value.keys() - _FIELDS:
        problems.add(step(at, name), "unknown_field", f"An attachment has the fields {', '.join(sorted(_FIELDS))}.")
    for name in ("filename", "content"):
        if name not in value:
            problems.add(f"{at}/{name}", "required", f"The {name} of the attachment is missing.")
    filename = _filename(value.get("filename", _UNUSABLE.filename), f"{at}/filename", problems) or _UNUSABLE.filename
    content = _content(value.get("content", ""), f"{at}/content", problems) or b""
    content_id = text(value["content_id"], f"{at}/content_id", problems) if "content_id" in value else None
    guessed = _TYPES.get(filename.rpartition(".")[2].lower(), _UNUSABLE.content_type)
    content_type = text(value.get("content_type", guessed), f"{at}/content_type", problems) or guessed
    disposition = "inline" if content_id is not None else "attachment"
    bare = content_id and content_id.removeprefix("<").removesuffix(">")
    return Attachment(filename, content_type, content, bare, disposition)


def _filename(value: object, at: str, problems: Problems) -> str | None:
    if not isinstance(value, str):
        problems.wrong_type(at, "a string", value)
        return None
    if not 0 < len(value) <= FILENAME_CHARS:
        problems.add(at, "wrong_length", f"A filename has 1 to {FILENAME_CHARS} characters.")
        return None
    if _NOT_IN_A_NAME.search(value):
        problems.add(at, "invalid_filename", "A filename has no slashes, line breaks or other control characters.")
        return None
    if extension := blocked_extension(value):
        problems.add(
            at, "blocked_attachment", f"Files of type .{extension} can run programs; receivers refuse such mail."
        )
        return None
    return value


def _content(value: object, at: str, problems: Problems) -> bytes | None:
    if not isinstance(value, str):
        problems.wrong_type(at, "a string of base64", value)
        return None
    content = decode_base64(value)
    if content is None:
        problems.add(at, "invalid_base64", "This is not base64 (RFC 4648 section 4).")
        return None
    return content
