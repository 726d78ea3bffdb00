"""The built-in demo: one federation without attackers, under attack, and defended."""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

from fedrobust.overrides import merged, parsed
from fedrobust.scenario import Scenario
from fedrobust.simulate import Outcome

__all__ = ["demo", "verdict"]

_DEFENSE = [
    {"name": "client_momentum", "beta": 0.9},
    {"name": "centered_clipping", "radius": 0.15, "iterations": 2},
]
_RUNS: dict[str, dict[str, Any]] = {
    "no attack, mean": {"adversary": [], "strategy": ["mean"]},
    "attack, mean": {"strategy": ["mean"]},
    "attack, median": {"strategy": ["coordinate_median"]},
    "attack, centered clipping + momentum": {"strategy": _DEFENSE},
}


def demo(overrides: Iterable[str] = ()) -> list[tuple[str, Scenario]]:
    """Return the demo's scenarios and what to call them; overrides change all of them."""
    text = files("fedrobust").joinpath("demo.toml").read_text(encoding="utf-8")
    base = merged(parsed(text), overrides)
    return [
        (label, Scenario.parse({**base, **changes, "name": label}))
        for label, changes in _RUNS.items()
    ]


def verdict(outcomes: list[tuple[str, Outcome]]) -> Iterator[str]:
    """Yield what the demo shows, in words."""
    figures = [outcome.summary.accuracy for _, outcome in outcomes]
    known = [accuracy for accuracy in figures if accuracy is not None]
    if len(known) < len(figures):
        return
    clean, undefended, median, defended = known
    summary = outcomes[-1][1].summary
    yield (
        f"With {summary.malicious} malicious clients, averaging loses "
        f"{_points(clean - undefended)} of accuracy and the median {_points(clean - median)};\n"
        f"centered clipping with client momentum loses {_points(clean - defended)}."
    )
    if summary.relative_weight is not None:
        yield (
            f"In the defended run a malicious client counted {summary.relative_weight:.2f} times "
            "as much as an honest one."
        )


def _points(difference: float) -> str:
    return f"{100 * difference:.1f} points"
