"""The files a page needs, served by ourselves: style sheets, scripts, icons. Read once, addressed by their content."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_FOREVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file as it is sent."""

    content: bytes
    packed: bytes
    media_type: str
    address: str


@cache
def asset(path: str) -> Asset:
    """The file below `static/`; KeyError when there is none. Its address changes with its content, so it is cached for ever."""
    content = _places()[path].read_bytes()
    version = sha256(content).hexdigest()[:10]
    media_type = _TYPES[path[path.rfind(".") :]]
    return Asset(content, gzip.compress(content, mtime=0), media_type, f"/static/{path}?v={version}")


@cache
def _places() -> dict[str, Traversable]:
    """Every file by its one path. What is asked for is looked up here and never on the disk, so no spelling (`..`, `./x`, a name
    too long for a file) leads anywhere else, or fills the memory with more copies.
    """
    return dict(_below(files(__package__).joinpath("static"), ""))


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for place in folder.iterdir():
        if place.is_dir():
            yield from _below(place, f"{path}{place.name}/")
        elif place.name[place.name.rfind(".") :] in _TYPES:
            yield path + place.name, place


def address(path: str) -> str:
    """Where a page finds the file."""
    return asset(path).address


@get("/static/{path:path}", include_in_schema=False)
async def static_file(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
    """One static file, packed when the client takes that."""
    try:
        found = asset(path.lstrip("/"))
    except KeyError:
        raise NotFoundException from None
    headers = {"cache-control": _FOREVER, "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=found.media_type, headers=headers | {"content-encoding": "gzip"})
    return Response(found.content, media_type=found.media_type, headers=headers)


@get("/favicon.ico", include_in_schema=False)
async def favicon() -> Response[bytes]:
    """Browsers ask for it unasked."""
    found = asset("favicon.svg")
    return Response(found.content, media_type=found.media_type, headers={"cache-control": "public, max-age=86400"})
