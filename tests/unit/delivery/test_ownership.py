"""Who owns a destination."""

from uuid import UUID

from posthouse.delivery.ownership import owner

WORKERS = [UUID(int=n) for n in range(1, 5)]
DOMAINS = [f"d{n}.test" for n in range(400)]


def test_every_process_names_the_same_owner_whatever_order_it_knows_the_others_in() -> None:
    assert all(owner(d, WORKERS) == owner(d, list(reversed(WORKERS))) for d in DOMAINS)


def test_destinations_are_spread_over_the_workers() -> None:
    shares = [sum(owner(d, WORKERS) == worker for d in DOMAINS) for worker in WORKERS]
    assert min(shares) > 60


def test_only_the_share_of_a_worker_that_left_moves() -> None:
    stayed = WORKERS[:-1]
    moved = [d for d in DOMAINS if owner(d, WORKERS) != owner(d, stayed)]
    assert all(owner(d, WORKERS) == WORKERS[-1] for d in moved)
