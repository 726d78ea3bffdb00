"""What a results folder says about a run, row by row."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["JSON_COLUMNS", "ClientRow", "GoalRow", "RoundRow", "RunRow", "Status", "cell", "finite"]

JSON_COLUMNS = {"scenario", "versions", "machine", "summary"}  # of table `runs`

Status = Literal["running", "interrupted", "finished", "failed"]


@dataclass(frozen=True)
class RunRow:
    """One attempt at a scenario."""

    id: str  # the first 8 characters of the scenario's hash, and which attempt it is
    name: str
    scenario_hash: str
    scenario: Mapping[str, Any]  # as resolved: with every default written out
    started: str  # ISO 8601, UTC
    finished: str | None
    status: Status
    rounds: int  # how many were asked for
    seed: int
    versions: Mapping[str, Any]
    machine: Mapping[str, Any]
    model_hash: str | None  # of the final model
    summary: Mapping[str, Any] | None


@dataclass(frozen=True)
class RoundRow:
    """One round of a run; measures are None where the model was not evaluated."""

    round: int
    accuracy: float | None
    worst_class_accuracy: float | None
    loss: float | None
    attack_success: float | None  # the highest; None also if no adversary has a goal
    asked: int  # clients that were sent the model
    admitted: int  # replies fit to aggregate
    applied: bool = True  # whether the model changed
    note: str = ""  # why not, where it did not
    distance: float | None = None  # of the step taken from the mean of the honest updates
    kappa: float | None = None  # its square, where the honest updates' variance is 1
    sent_bytes: int = 0  # of the arrays in the messages to clients
    received_bytes: int = 0  # of the arrays in the replies that arrived, admitted or not
    validation_accuracy: float | None = None  # None also if the server holds no examples back


@dataclass(frozen=True)
class ClientRow:
    """One client in one round."""

    client: int
    node: str
    role: str
    admitted: bool = True
    fault: str | None = None  # why its reply was dropped
    note: str | None = None  # what was odd about it, but put right
    norm: float | None = None  # of its update
    cosine: float | None = None  # between its update and the aggregate
    weight: float | None = None  # how much it counted in the aggregate
    score: float | None = None  # the rule's own measure of suspicion or trust
    accuracy: float | None = None  # of the model, on the client's own mixture of classes
    own_accuracy: float | None = None  # of the model that only it has, on the test data
    quota: float | None = None  # how much of the aggregate it gets


@dataclass(frozen=True)
class GoalRow:
    """How far an adversary with a goal got in a round."""

    adversary: int  # its place in the scenario
    attack: str
    success: float | None  # share of test inputs on which the model does what it wants
    validation_success: float | None = None  # of validation inputs; None also if there are none


def cell(value: Any) -> Any:
    r"""Return `value` as SQLite should keep it.

    It would keep numbers of numpy as bytes; what a client says of itself may not even be valid
    text.

    >>> cell(float("nan")), cell("\ud800"), cell({"loss": float("inf")})
    (None, '\\ud800', '{"loss": null}')
    """
    if isinstance(value, Mapping):
        return json.dumps(finite(value), allow_nan=False)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def finite(value: Any) -> Any:
    """Return nested `value` as JSON can say it: null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    value = cell(value)
    return None if isinstance(value, float) and math.isinf(value) else value
