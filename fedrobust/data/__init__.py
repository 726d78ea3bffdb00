"""Data sets, and how they are split among clients."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedrobust.data._arrays import from_arrays

__all__ = ["from_arrays"]


def __getattr__(name: str) -> Any:
    """Import `from_arrays` when it is asked for, and torch with it."""
    if name == "from_arrays":
        from fedrobust.data._arrays import from_arrays

        return from_arrays
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
