"""What each client adds to the accuracy of a federation: Shapley values, round by round.

Multi-round reconstruction of Song, Tong and Wei, "Profit Allocation for Federated Learning", IEEE
Big Data 2019, https://doi.org/10.1109/BigData47090.2019.9006327, with all clients counting the
same, whatever they claim to have.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.func import vmap

from fedrobust.core import seeds, shapley
from fedrobust.core.aggregator import Stage
from fedrobust.core.seeds import Purpose
from fedrobust.core.world import World
from fedrobust.errors import ConfigError
from fedrobust.scenario import Scenario
from fedrobust.simulate import Progress, simulate

__all__ = ["Contributions", "contributions"]

_EXAMPLES = 1024  # evaluated at a time
_CACHE = 20 * 10**6  # bytes of models at a time: on a CPU, larger stacks are no faster
_FLOAT = 4


@dataclass(frozen=True)
class Contributions:
    """What clients added to the accuracy of a model, in shares of the examples it is judged on.

    Values of all clients add up to the accuracy after the last round less that before the first.
    """

    values: tuple[float, ...]  # of client i; 0 if it never took part
    errors: tuple[float, ...]  # standard errors of the values; 0 where they are exact
    gain: float  # what they add up to, but for truncation
    judged_on: str  # "validation" or "test": whose examples


def contributions(
    scenario: Scenario, *, permutations: int | None = None, tolerance: float = 0.0
) -> Contributions:
    """Run a federation whose server takes the mean, and value what its clients send.

    In each round a coalition of clients is worth the accuracy of the global model moved by the
    mean of their updates, on validation examples if the scenario holds some back, else on test
    examples; a client's Shapley values of all rounds are added.  Clients behave as the scenario
    says, attackers and faults included; of its strategy the server's steps are left out, because
    a value means something only where every update counts.  Nothing is recorded.

    Args:
        scenario: who learns what.
        permutations: how many orders of joining to sample in each round; None for exact values,
            which take the accuracies of 2^n models for n clients a round.
        tolerance: where to truncate sampled orders, in shares of the examples; the values of a
            round then add up to its gain less at most as much.

    Raises:
        ConfigError: if the scenario cannot be run, has more than 10 clients a round and
            `permutations` is None, or these are fewer than 2.
        DataError: if its data cannot be loaded or shared out.
    """
    if permutations is None and scenario.sampled > shapley.MOST:
        raise ConfigError(
            f"Exact contributions need at most {shapley.MOST} clients a round, not "
            f"{scenario.sampled}; lower clients or sample, or pass permutations, such as 100."
        )
    judged = scenario.model_copy(
        update={
            "strategy": tuple(part for part in scenario.strategy if not isinstance(part, Stage)),
            "evaluate_every": scenario.rounds,
            "test_corruption": None,
        }
    )
    valuation = _Valuation(judged.world(), permutations, tolerance)
    with TemporaryDirectory() as folder:
        simulate(judged, Path(folder), watch=valuation.add)
    return valuation.result()


class _Valuation:
    """The values of the rounds so far."""

    def __init__(self, world: World, permutations: int | None, tolerance: float) -> None:
        self._world, self._permutations, self._tolerance = world, permutations, tolerance
        self._params = world.task.init()  # [d] as the round under way began
        self._values = torch.zeros(world.federation.num_clients, dtype=torch.float64)
        self._variances = torch.zeros_like(self._values)
        self._gain = 0.0

    def add(self, progress: Progress) -> None:
        """Add the values of a round; one that leaves the model as it was has none."""
        ledger = progress.ledger
        if ledger is None or ledger.updates is None or ledger.update is None:
            return
        worth = _Worth(self._world, self._params, ledger.updates)
        n = len(ledger.updates)
        clients = [entry.client for entry in ledger.entries if entry.fault is None]
        if self._permutations is None:
            self._values[clients] += shapley.exact(worth, n)
        else:
            # The mean draws nothing, so the server's stream is free.
            generator = seeds.generator(self._world.seed, Purpose.SERVER, ledger.number)
            found = shapley.sampled(
                worth, n, self._permutations, generator, tolerance=self._tolerance
            )
            self._values[clients] += found.values
            self._variances[clients] += found.errors.square()
        nobody, everybody = worth(torch.tensor([[False], [True]]).expand(2, n)).tolist()
        self._gain += everybody - nobody
        self._params = self._params + ledger.update

    def result(self) -> Contributions:
        return Contributions(
            tuple(self._values.tolist()),
            tuple(self._variances.sqrt().tolist()),
            self._gain,
            "test" if self._world.validated is None else "validation",
        )


class _Worth:
    """The accuracies of a model ``[d]`` moved by the means of some of n updates ``[n, d]``."""

    def __init__(self, world: World, params: Tensor, updates: Tensor) -> None:
        self._task = world.validated or world.placed
        self._device = self._task.data.x.device
        self._params, self._updates = params.to(self._device), updates.to(self._device)
        examples = min(_EXAMPLES, len(self._task.data.y_test))
        each = _FLOAT * (len(params) + examples * self._task.made_of_an_example)
        room = _CACHE if self._device.type == "cpu" else world.engine.memory * 10**6
        self._at_a_time = max(1, room // each)

    @torch.no_grad()
    def __call__(self, coalitions: Tensor) -> Tensor:
        """Return the accuracies ``[k]`` of coalitions ``[k, n]``, in float64."""
        shares = (coalitions / coalitions.sum(dim=1, keepdim=True).clamp(min=1)).to(self._updates)
        data = self._task.data
        found = torch.zeros(len(shares), dtype=torch.float64, device=self._device)
        batches = (torch.split(t, _EXAMPLES) for t in (data.x_test, data.y_test))
        for x, y in zip(*batches, strict=True):
            found += self._hits_of_each(shares, x, y)
        return found.cpu() / len(data.y_test)

    def _hits_of_each(self, shares: Tensor, x: Tensor, y: Tensor) -> Tensor:
        try:
            each = vmap(self._hits, in_dims=(0, None, None), chunk_size=self._at_a_time)
            return each(shares, x, y)
        except RuntimeError:  # vmap's, for control flow that depends on data
            return torch.stack([self._hits(share, x, y) for share in shares])

    def _hits(self, share: Tensor, x: Tensor, y: Tensor) -> Tensor:
        logits = self._task.logits(self._params + share @ self._updates, x)
        return (logits.argmax(dim=1) == y).sum()
