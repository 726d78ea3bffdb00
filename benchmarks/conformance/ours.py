"""What fedrobust answers: beside `benchmarks.ours` the only file here that knows its interface."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.conformance.answering import Rule, answering, versions_of
from fedrobust import registry
from fedrobust.core.admission import faults_of_rows
from fedrobust.core.aggregator import (
    Aggregator,
    Mean,
    PostAggregator,
    PreAggregator,
    RoundInfo,
    Stage,
)
from fedrobust.core.chain import Chain

torch.set_num_threads(1)


def rule(
    parts: Sequence[Mapping[str, Any]],
    f: int,
    examples: list[int] | None = None,
    moves: bool = False,
) -> Callable[..., Any]:
    """Steps and a rule, given what the server admits; with `moves`, answers with the model."""
    made = [registry.find("strategies", part["name"])(**part.get("fields", {})) for part in parts]
    generator = torch.Generator().manual_seed(0)

    def make() -> Rule:
        state: Any = None
        model: Any = 0.0
        number = 0

        def aggregate(rows: Tensor) -> Tensor:
            nonlocal state, model, number
            number += 1
            whole = _whole(made)
            state = whole.init(torch.zeros(rows.shape[1])) if number == 1 else state
            fit = torch.tensor([fault is None for fault in faults_of_rows(rows)])
            dropped = int((~fit).sum())
            claims = torch.ones(len(rows)) if examples is None else torch.tensor(examples)
            info = RoundInfo(
                number,
                torch.zeros(rows.shape[1]),
                clients=torch.arange(len(rows))[fit],
                examples=claims[fit],
                generator=generator,
                num_malicious=max(0, f - dropped),
                dropped=dropped,
            )
            if isinstance(whole, PreAggregator):
                return whole.transform(rows[fit], state, info).updates
            out = whole.aggregate(rows[fit], state, info)
            state = out.state
            model = model + out.update
            answer: Tensor = model if moves else out.update
            return answer

        return aggregate

    return answering(make)


def _whole(made: Sequence[Any]) -> Any:
    if len(made) == 1 and not isinstance(made[0], PostAggregator):
        return made[0]
    rules = [part for part in made if isinstance(part, Aggregator)]
    return Chain(
        before=tuple(part for part in made if isinstance(part, PreAggregator)),
        rule=rules[0] if rules else Mean(),
        after=tuple(part for part in made if isinstance(part, PostAggregator)),
    )


def stages() -> list[str]:
    """Return the names of all that acts on the server: rules, and the steps around them."""
    names = registry.builtin("strategies")
    return [name for name in names if issubclass(registry.find("strategies", name), Stage)]


def bound(name: str, fields: Mapping[str, Any]) -> tuple[int, int]:
    """Return the numbers a and b for which a component needs n >= a f + b."""
    made = registry.find("strategies", name)(**fields)
    return getattr(made, "bound", (1, 1))


def versions() -> Callable[[], Any]:
    """What was compared."""
    return versions_of("fedrobust", "torch")
