"""What a process counts, for Prometheus: one registry per process, created with it and handed to its rooms."""

import os
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)


class Metrics:
    """The counters of one process. Names are given without the prefix posthouse_; asking twice for a name gives the same one."""

    def __init__(self, role: str) -> None:
        self._registry = CollectorRegistry()
        self._known: dict[str, Counter | Gauge | Histogram] = {}
        ProcessCollector(registry=self._registry)
        self.gauge("process_info", "Which role this process has.", ("role", "pid")).labels(role, os.getpid()).set(1)

    def counter(self, name: str, explanation: str, labels: Sequence[str] = ()) -> Counter:
        """A number that only grows; `name` ends in _total."""
        made = self._known.get(name) or Counter(f"posthouse_{name}", explanation, labels, registry=self._registry)
        assert isinstance(made, Counter)
        self._known[name] = made
        return made

    def gauge(self, name: str, explanation: str, labels: Sequence[str] = ()) -> Gauge:
        """A number that goes up and down."""
        made = self._known.get(name) or Gauge(f"posthouse_{name}", explanation, labels, registry=self._registry)
        assert isinstance(made, Gauge)
        self._known[name] = made
        return made

    def histogram(
        self, name: str, explanation: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS_S
    ) -> Histogram:
        """How often values fell into each bucket; seconds unless the name says otherwise."""
        made = self._known.get(name)
        if made is None:
            made = Histogram(f"posthouse_{name}", explanation, labels, buckets=buckets, registry=self._registry)
        assert isinstance(made, Histogram)
        self._known[name] = made
        return made

    def render(self) -> bytes:
        """The text Prometheus reads, of type CONTENT_TYPE."""
        return generate_latest(self._registry)
