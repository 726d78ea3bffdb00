"""Which part of a study causes what is wrong with its runs."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from fedrobust.axes import some

__all__ = ["blamed"]

Labels = Mapping[str, str]  # axis: what its value is called

_BARE = re.compile(r"[A-Za-z0-9_-]+")  # a key of TOML that needs no quotes


def blamed(
    wrong: Mapping[str, Sequence[Labels]],
    axes: Mapping[str, Mapping[str, Any]],
    complaints: Callable[[Labels], Collection[str]],
) -> Iterator[str]:
    """Yield each complaint with what causes it: the scenario, a value of an axis, or several.

    A cause is found by experiment: what is wrong with the scenario of the study alone, and what
    with one value of one axis on top.

    Args:
        wrong: each complaint, and the labels of the combinations that have it.
        axes: their values by what they are called.
        complaints: what is wrong with the scenario when it is changed by the values of some labels.
    """
    base = complaints({})
    alone = {(a, name): complaints({a: name}) for a, values in axes.items() for name in values}
    for what, where in wrong.items():
        if what in base:
            yield f"scenario.{what}"
            continue
        causes: dict[str, list[str]] = {}
        for (axis, name), found in alone.items():
            if what in found and any(labels[axis] == name for labels in where):
                causes.setdefault(axis, []).append(name)
        for axis, names in causes.items():
            yield _on_axis(what, axis, names, axes[axis])
        if not causes:
            yield f"{what} In {some([', '.join(labels.values()) for labels in where])}."


def _on_axis(what: str, axis: str, names: list[str], values: Mapping[str, Any]) -> str:
    path, _, reason = what.partition(": ")
    if path == axis or path.startswith(f"{axis}."):
        path = _typed(path[len(axis) + 1 :], values[names[0]])
    told = f"{path}: {reason}" if path else reason
    if len(names) == len(values) > 1:
        return f"axes.{_key(axis)}: {told}"
    also = f" The same: {some(names[1:])}." if len(names) > 1 else ""
    return f"axes.{_key(axis)}.{_key(names[0])}: {told}{also}"


def _typed(path: str, value: Any) -> str:
    """Return a path below a value without places in lists that have one entry, or no brackets."""
    kept = []
    for part in path.split("."):
        if not part.isdecimal():
            kept.append(part)
            value = value.get(part) if isinstance(value, dict) else None
        elif isinstance(value, list):
            kept += [part] if len(value) > 1 else []
            value = value[int(part)]
    return ".".join(kept)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
