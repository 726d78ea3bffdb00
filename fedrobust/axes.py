"""Axes of a study: what their keys say of a run, and what their values are called."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, Literal

__all__ = ["Role", "is_joint", "label", "matches", "role", "shown", "some"]

Role = Literal["defense", "threat", "setting"]
_JOINT = "scenario"


def role(axis: str, tuned: Container[str] = ()) -> Role:
    """Return what an axis is about, by its key: who defends, what goes wrong, or all else.

    A tuned axis is part of the setting, whatever its key.

    >>> role("strategy"), role("adversary.0.share"), role("training.lr")
    ('defense', 'threat', 'setting')
    """
    if axis in tuned:
        return "setting"
    match axis.partition(".")[0]:
        case "strategy" | "num_malicious" | "root_examples":
            return "defense"
        case "adversary" | "fault":
            return "threat"
    return "setting"


def is_joint(axis: str) -> bool:
    """Return whether values of an axis are tables of several keys of a scenario.

    >>> is_joint("scenario.size"), is_joint("training.lr")
    (True, False)
    """
    return axis.partition(".")[0] == _JOINT


def shown(axis: str) -> str:
    """Return what an axis is called: its key, or the name that a joint one was given.

    >>> shown("scenario.size"), shown("scenario"), shown("training.lr")
    ('size', 'scenario', 'training.lr')
    """
    return axis.removeprefix(f"{_JOINT}.")


def label(value: Any) -> str:
    """Return what a value is called: its name, or those of its parts."""
    if isinstance(value, dict):
        return label(value.get("name") or value.get("attack") or str(value))
    if isinstance(value, list):
        return " + ".join(map(label, value)) or "none"
    return " ".join(str(value).split())


def matches(labels: Mapping[str, str], excluded: Mapping[str, str | tuple[str, ...]]) -> bool:
    """Return whether a combination has one of the labels named along each axis that is named."""
    return all(
        labels[axis] == named if isinstance(named, str) else labels[axis] in named
        for axis, named in excluded.items()
    )


def some(names: Sequence[str], shown: int = 3) -> str:
    """Return the first of some names, and how many others there are.

    >>> some(["mean", "krum", "mean"], shown=1)
    'mean and 1 more'
    """
    different = list(dict.fromkeys(names))
    more = f" and {len(different) - shown} more" if len(different) > shown else ""
    return "; ".join(different[:shown]) + more
