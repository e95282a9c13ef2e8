"""Which process owns a destination, so that its connection limit is exact however many processes run. Pure."""

from collections.abc import Collection
from hashlib import blake2b
from uuid import UUID


def owner(domain: str, workers: Collection[UUID]) -> UUID:
    """The worker that sends to `domain`, by rendezvous hashing: when one joins or leaves, only its share moves."""
    name = domain.encode()
    return max(workers, key=lambda worker: blake2b(name, digest_size=8, key=worker.bytes).digest())
