"""How much memory the embedded PostgreSQL takes for itself."""

from pathlib import Path

import pytest

from posthouse.runtime import embedded


@pytest.mark.parametrize(
    ("memory_mb", "buffers_mb"), [(512, 128), (2_048, 128), (8_192, 512), (24_576, 1_536), (262_144, 2_048)]
)
def test_buffers_grow_with_the_machine_within_bounds(memory_mb: int, buffers_mb: int) -> None:
    assert embedded.buffers_mb(memory_mb) == buffers_mb


def test_a_container_counts_as_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(embedded, "_CONTAINER_MEMORY", limit)
    whole = embedded.machine_memory_mb()
    limit.write_text("max\n")
    assert embedded.machine_memory_mb() == whole
    limit.write_text(f"{256 * 2**20}\n")
    assert embedded.machine_memory_mb() == 256
