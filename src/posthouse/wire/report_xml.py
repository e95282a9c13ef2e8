"""XML from strangers as a stream of opened and closed elements, in bounded memory.

Octets become characters here and not in the parser, so that a wrong charset, a control character or a bare ampersand (all three are
sent) costs that character and not the report. There are no document types, so there are no entities to expand or to fetch.
"""

import codecs
import re
from collections.abc import Iterable
from typing import Final, Protocol
from xml.parsers import expat

from posthouse.model.limits import (
    REPORT_TEXT_CHARS,
    REPORT_XML_DEPTH,
    REPORT_XML_ELEMENTS,
    REPORT_XML_NAMES,
    REPORT_XML_TOKEN_OCTETS,
)
from posthouse.wire.unpacking import Reason, Refused

_DECLARATION: Final = re.compile(r"\s*(?:<\?xml[^>]{0,300}\?>\s*)?")
_ENCODING: Final = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_CHARSETS: Final = re.compile(
    r"iso-8859-\d{1,2}|(?:windows-|cp)125\d|koi8-[ru]|gbk|gb2312|gb18030|big5|shift_jis|euc-(?:jp|kr)|iso-2022-jp"
)
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 2.2
_BARE: Final = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)")
_REFERENCE_CHARS: Final = 10  # of the longest reference read: a shorter end of a piece may be the beginning of one
_HEAD_OCTETS: Final = 1_024


class Listener(Protocol):
    """Who is told about the elements. Names are in lower case and without prefixes: what they are bound to differs by sender."""

    def begin(self, name: str) -> None:
        """An element was opened."""
        ...

    def end(self, name: str, text: str) -> None:
        """It was closed; `text` is what stood in it since the last tag, stripped, at most REPORT_TEXT_CHARS."""
        ...


class StopReadingError(Exception):
    """A listener has had enough; never leaves `parse`."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.detail)
        self.refused = refused


def parse(pieces: Iterable[bytes | Refused], listener: Listener) -> Refused | None:
    """Tells the listener of every element; what is wrong with the document, if something is. Never raises."""
    text, machine = _Text(), _Machine(listener)
    try:
        for piece in pieces:
            if isinstance(piece, Refused):
                return piece
            machine.feed(text.feed(piece))
        machine.feed(text.feed(b"", final=True), final=True)
    except StopReadingError as stopped:
        return stopped.refused
    except (expat.ExpatError, ValueError) as error:
        # Something after the end of the report is nobody's loss.
        return None if machine.complete else Refused(Reason.BROKEN, f"The XML cannot be read: {str(error)[:200]}.")
    return None


class _Machine:
    """The parser with its limits."""

    def __init__(self, listener: Listener) -> None:
        self.complete = False
        self._listener = listener
        self._names: dict[str, str] = {}
        self._attributes: set[str] = set()
        self._open: list[str] = []
        self._elements = 0
        self._text: list[str] = []
        self._chars = 0
        self._fed = 0
        parser = expat.ParserCreate("utf-8", intern={})
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse_doctype
        self._parser = parser

    def feed(self, octets: bytes, final: bool = False) -> None:
        """More of the document. Raises StopReadingError, ExpatError."""
        if self.complete:
            return
        self._fed += len(octets)
        self._parser.Parse(octets, final)
        if self._fed - self._parser.CurrentByteIndex > REPORT_XML_TOKEN_OCTETS:
            raise StopReadingError(Refused(Reason.DANGEROUS, "One of its tags or comments is a megabyte long."))

    def _start(self, raw: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > REPORT_XML_ELEMENTS:
            raise StopReadingError(Refused(Reason.TOO_LARGE, f"It has more than {REPORT_XML_ELEMENTS} elements."))
        if len(self._open) >= REPORT_XML_DEPTH:
            raise StopReadingError(Refused(Reason.DANGEROUS, "Its elements are nested too deep."))
        if attributes:
            self._attributes.update(attributes)
        name = self._names.get(raw)
        if name is None:
            name = self._names[raw] = raw.rpartition(":")[2].lower()
        if len(self._names) + len(self._attributes) > REPORT_XML_NAMES:
            raise StopReadingError(Refused(Reason.DANGEROUS, "It has too many kinds of elements."))
        self._open.append(name)
        self._text.clear()
        self._chars = 0
        self._listener.begin(name)

    def _end(self, raw: str) -> None:
        del raw
        name = self._open.pop()
        self._listener.end(name, "".join(self._text).strip()[:REPORT_TEXT_CHARS] if self._text else "")
        self._text.clear()
        self._chars = 0
        self.complete = not self._open

    def _characters(self, text: str) -> None:
        if self._chars < REPORT_TEXT_CHARS:
            kept = text.lstrip() if not self._text else text
            if kept:
                self._text.append(kept[:REPORT_TEXT_CHARS])
                self._chars += len(kept)


def _refuse_doctype(*_: object) -> None:
    raise StopReadingError(Refused(Reason.DANGEROUS, "It declares a document type, which no report needs."))


class _Text:
    """Octets in whatever charset to UTF-8 that an XML parser takes, without the declaration."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._beginning = True
        self._held = ""

    def feed(self, piece: bytes, final: bool = False) -> bytes:
        """The next octets for the parser."""
        if self._decoder is None:
            self._head += piece
            if len(self._head) < _HEAD_OCTETS and not final:
                return b""
            charset, mark = _charset(self._head)
            self._decoder = codecs.getincrementaldecoder(charset)("replace")
            piece, self._head = self._head[mark:], b""
        text = self._held + self._decoder.decode(piece, final)
        if self._beginning and text:
            text = text[match.end() :] if (match := _DECLARATION.match(text)) else text
            self._beginning = False
        text = _NOT_XML.sub("", text)
        self._held = ""
        at = text.rfind("&", max(0, len(text) - _REFERENCE_CHARS))
        if at >= 0 and ";" not in text[at:] and not final:
            text, self._held = text[:at], text[at:]
        return (_BARE.sub("&amp;", text) if "&" in text else text).encode("utf-8", "replace")


def _charset(head: bytes) -> tuple[str, int]:
    """The charset a document begins in, and the length of its mark."""
    for mark, charset in _MARKS:
        if head.startswith(mark):
            return charset, len(mark)
    if head.startswith((b"<\0", b"\0<")):
        return ("utf-16-le" if head.startswith(b"<") else "utf-16-be"), 0
    declared = _ENCODING.match(head.lstrip())
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    return (name if _CHARSETS.fullmatch(name) and _known(name) else "utf-8"), 0


def _known(charset: str) -> bool:
    try:
        codecs.lookup(charset)
    except LookupError:
        return False
    return True
