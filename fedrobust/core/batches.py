"""Which examples each client sees in each step: one source for every way of training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedrobust.core.training import Training

__all__ = ["Batches", "batches"]


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of n clients, those with the most steps first.

    Step k has a batch for each of the first m_k clients that still train: a client that is done
    is simply no longer there, so momentum and memories stay exact and no step is wasted.  What
    all clients see, in their order, lies in one tensor; a batch is a slice of it.
    """

    order: Tensor  # [n] places of the clients, those with the most steps first
    steps: Tensor  # [n] how many steps each takes, in that order
    size: int  # examples a batch
    _seen: Tensor  # [total] what each client sees, client after client
    _begins: Tensor  # [n] where in `_seen` a client's first pass begins
    _passes: Tensor  # [n] how many examples a pass has
    _per_pass: Tensor  # [n] how many steps a pass has

    def __len__(self) -> int:
        """Return how many steps the longest-training client takes."""
        return int(self.steps[0])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each step's examples ``[m_k, b]`` and weights: 1, or 0 for padding.

        Where a batch is short, its first example stands in for the others.
        """
        active = torch.bincount(self.steps).flip(0).cumsum(0).flip(0).tolist()  # with >= k steps
        columns = torch.arange(self.size)
        for k in range(len(self)):
            begins, ends = self._slices(k, slice(active[k + 1]))
            places = begins[:, None] + columns
            real = places < ends[:, None]
            yield self._seen[places.where(real, begins[:, None])], real.float()

    def of(self, place: int) -> Iterator[Tensor]:
        """Yield the examples ``[b_k]`` of each step of one client, without padding."""
        for k in range(int(self.steps[place])):
            begins, ends = self._slices(k, slice(place, place + 1))
            yield self._seen[int(begins) : int(ends)]

    def first(self, steps: int) -> "Batches":
        """Return the first steps of each client."""
        return replace(self, steps=self.steps.clamp(max=steps))

    def part(self, places: Tensor) -> "Batches":
        """Return the batches of some of the clients, whose places ascend."""
        return replace(
            self,
            order=self.order[places],
            steps=self.steps[places],
            _begins=self._begins[places],
            _passes=self._passes[places],
            _per_pass=self._per_pass[places],
        )

    def _slices(self, k: int, who: slice) -> tuple[Tensor, Tensor]:
        per_pass, examples = self._per_pass[who], self._passes[who]
        start = self._begins[who] + k // per_pass * examples
        begins = start + k % per_pass * self.size
        return begins, torch.minimum(begins + self.size, start + examples)


def batches(
    training: Training, shards: Sequence[Tensor], generators: Sequence[torch.Generator]
) -> Batches:
    """Draw the batches of a round, client by client, each from its own generator."""
    sizes = torch.tensor([shard.numel() for shard in shards])
    size = min(training.batch_size, int(sizes.max()))
    if training.epochs is None:  # each step is a pass of one batch
        count, examples = training.steps or 1, sizes.clamp(max=size)
    else:
        count, examples = training.epochs, sizes
    per_pass = -(-examples // size)
    steps = count * per_pass
    order = torch.argsort(steps, descending=True, stable=True)
    taken, held = examples.tolist(), sizes.tolist()
    drawn = [
        torch.randperm(held[i], generator=generators[i])
        for i in order.tolist()
        for _ in range(count)
    ]
    if taken != held:
        kept = [taken[i] for i in order.tolist() for _ in range(count)]
        drawn = [all_[:most] for all_, most in zip(drawn, kept, strict=True)]
    examples, sizes = examples[order], sizes[order]
    offsets = (sizes.cumsum(0) - sizes).repeat_interleave(count * examples)  # of one's shard
    everything = torch.cat([shards[i] for i in order.tolist()])
    seen = everything[torch.cat(drawn) + offsets]
    begins = (count * examples).cumsum(0) - count * examples
    return Batches(order, steps[order], size, seen, begins, examples, per_pass[order])
