"""How a benchmark fails."""


class BenchError(Exception):
    """A benchmark could not be carried through; the text says what was missing."""
