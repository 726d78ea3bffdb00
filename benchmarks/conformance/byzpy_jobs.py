"""ByzPy 0.1.4: all its aggregators and pre-aggregators, called directly on lists of tensors."""

from collections.abc import Callable, Mapping
from inspect import getmembers, isclass
from random import Random
from typing import Any

from byzpy import pre_aggregators
from byzpy.aggregators import coordinate_wise, geometric_wise, norm_wise

from benchmarks.conformance.answering import Rule, answering, listing, versions_of

FOUND = {
    name: one
    for module in (coordinate_wise, geometric_wise, norm_wise, pre_aggregators)
    for name, one in getmembers(module, isclass)
    if one.__module__.startswith(module.__name__ + ".") and name != "PreAggregator"
}


def rule(name: str, fields: Mapping[str, Any]) -> Callable[..., Any]:
    """One of its rules; random ones go on drawing when they are asked again."""
    drawing = {"rng": Random(0)} if name == "Bucketing" else {}

    def make() -> Rule:
        made: Any = FOUND[name](**fields, **drawing)
        call = made.pre_aggregate if hasattr(made, "pre_aggregate") else made.aggregate
        return lambda rows: call(list(rows))

    return answering(make)


def names() -> Callable[[], Any]:
    """All it has."""
    return listing(list(FOUND))


def versions() -> Callable[[], Any]:
    """What was compared."""
    return versions_of("byzpy", "torch")
