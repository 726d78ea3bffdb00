"""ByzFL 0.0.11: all its aggregators and pre-aggregators, on tensors."""

from collections.abc import Callable, Mapping
from inspect import getmembers, isclass
from typing import Any

import torch

from benchmarks.conformance.answering import answering, listing, versions_of
from benchmarks.peers.byzfl_jobs import byzfl  # which lets it be imported beside any torchvision


def rule(name: str, fields: Mapping[str, Any]) -> Callable[..., Any]:
    """One of its rules; random ones go on drawing when they are asked again."""
    torch.manual_seed(0)
    return answering(lambda: getattr(byzfl, name)(**fields))


def names() -> Callable[[], Any]:
    """All it has."""
    found = [
        name
        for name, one in getmembers(byzfl, isclass)
        if one.__module__.startswith("byzfl.aggregators.")
    ]
    return listing(found)


def versions() -> Callable[[], Any]:
    """What was compared."""
    return versions_of("byzfl")
