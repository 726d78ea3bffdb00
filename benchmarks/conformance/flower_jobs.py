"""Flower's strategies, on the replies of clients that started from zero."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import strategy
from torch import Tensor

from benchmarks import ours
from benchmarks.conformance.answering import Rule, answering, listing, versions_of

_ADAPTIVE = ("FedAdagrad", "FedAdam", "FedYogi")
_CLIPPING = "DifferentialPrivacyServerSideFixedClipping"


def _record(vector: np.ndarray) -> ArrayRecord:
    return ArrayRecord({"w": Array(vector)})


def _replies(rows: np.ndarray, examples: list[int] | None) -> list[Message]:
    ours.LocalGrid(ClientApp(), len(rows))  # without a run, Flower's messages cannot be made
    claims = [1] * len(rows) if examples is None else examples
    return [
        Message(
            RecordDict({"arrays": _record(row), "metrics": MetricRecord({"num-examples": claim})}),
            reply_to=Message(RecordDict(), node, "train"),
        )
        for node, (row, claim) in enumerate(zip(rows, claims, strict=True), start=2)
    ]


def rule(
    name: str, fields: Mapping[str, Any], examples: list[int] | None = None
) -> Callable[..., Any]:
    """One of its strategies, which begins with a model of zeros; answers with the last model."""

    def make() -> Rule:
        inner = (strategy.FedAvg(),) if name == _CLIPPING else ()
        made, number = getattr(strategy, name)(*inner, **fields), 0
        model = np.zeros(0, np.float32)

        def aggregate(rows: Tensor) -> Any:
            nonlocal model, number
            number += 1
            model = model if number > 1 else np.zeros(rows.shape[1], np.float32)
            made.current_arrays = {"w": model} if name in _ADAPTIVE else _record(model)
            replies = _replies(model + rows.numpy(), examples)
            arrays, _ = made.aggregate_train(number, replies)
            if arrays is None:
                return None
            model = arrays["w"].numpy()
            return model

        return aggregate

    return answering(make)


def names() -> Callable[[], Any]:
    """All it has."""
    return listing([name for name in strategy.__all__ if name not in ("Result", "Strategy")])


def versions() -> Callable[[], Any]:
    """What was compared."""
    return versions_of("flwr", "numpy")
