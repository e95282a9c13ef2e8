"""How a message's MIME is stored: plain when small or incompressible, zstd otherwise, sealed where the workspace asks for it."""

from collections.abc import Callable
from uuid import UUID

import zstandard

from posthouse.runtime.vault import Place

PLAIN, ZSTD, SEALED = 0, 1, 2

_WORTH_COMPRESSING = 512  # octets; below it the frame costs as much as it saves
_compressor = zstandard.ZstdCompressor(level=1)
_decompressor = zstandard.ZstdDecompressor()

Seal = Callable[[bytes], bytes]


def pack(content: bytes, seal: Seal | None) -> tuple[int, bytes]:
    """The (encoding, bytes) to store. `seal` encrypts, None stores in the clear."""
    if seal is not None:
        return SEALED, seal(_compressor.compress(content))
    if len(content) < _WORTH_COMPRESSING:
        return PLAIN, content
    packed = _compressor.compress(content)
    return (ZSTD, packed) if len(packed) < len(content) else (PLAIN, content)


def unpack(encoding: int, stored: bytes, unseal: Seal) -> bytes:
    """The MIME as accepted. `unseal` is called only for what was sealed."""
    if encoding == PLAIN:
        return stored
    return _decompressor.decompress(unseal(stored) if encoding == SEALED else stored)


def place(workspace_id: UUID, message_id: UUID) -> Place:
    """Where a sealed body belongs; it opens nowhere else."""
    return Place("bodies", "content", workspace_id, str(message_id))
