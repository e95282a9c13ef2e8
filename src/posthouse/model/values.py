"""Values nobody changes, made cheaply: `dataclass`, which takes `frozen=True` as a promise that the type checker keeps.

At run time a frozen dataclass writes every field through object.__setattr__: eight fields cost 0.5 µs instead of 0.15, and one mail is some
fifty values. Modules a mail passes through import this one; everywhere else the standard library's will do.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses

    def dataclass(made: type | None = None, /, *, frozen: bool = False, **options: Any) -> Any:  # noqa: ANN401
        """As dataclasses.dataclass; a frozen one is hashable and, to the type checker alone, frozen."""
        if frozen and options.get("eq", True):
            options["unsafe_hash"] = True
        return dataclasses.dataclass(made, **options) if made else lambda later: dataclasses.dataclass(later, **options)
