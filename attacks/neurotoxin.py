"""Neurotoxin.

Zhang, Panda, Song, Yang, Mahoney, Gonzalez, Ramchandran and Mittal, "Neurotoxin: Durable Backdoors
in Federated Learning", ICML 2022, https://arxiv.org/abs/2206.10341, algorithm 1.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Gradient, Loss, Memory
from fedrobust.core.task import Batch

__all__ = ["Neurotoxin"]


class Neurotoxin(Attack):
    """Train only parameters that honest clients hardly move, so that they undo less of it later.

    Write it after a backdoor, whose success shall last longer once the attack stops.  It is no help
    while the attack goes on: a backdoor that may not use all parameters takes more rounds.

    Which parameters to leave alone is a guess.  The paper's algorithm takes those that the last
    global update moved most.  That is blind to whose work the update was: where attackers are a
    fifth of the clients they are most of it, so they avoid what their own backdoor lives in, and
    both its success and its life get shorter.  The authors' code takes the gradient of honest
    examples instead, which has no such flaw.  Here that is the batch before it is poisoned, afresh
    in each step where theirs is once a round, and only for backdoors that leave examples of
    weight zero as they are (`feature_noise` and `corrupted_inputs` do not).

    In the paper's models a few percent are enough.  On the digits with 2,400 parameters, a patch
    taught by a fifth of the clients keeps 60 % of its success over 30 rounds; with the gradient and
    a ratio of 0.5 it keeps almost 80 %, with 0.05 no more than without.

    Between two rounds of a client the global model may move several times; the sum counts.  In the
    first round in which it acts, by the update, there is nothing to go by, and all parameters are
    trained: a single shot by the update is not masked.

    Cost: by the update, two more vectors ``[d]`` a client, and the largest of one in each step; by
    the gradient, a second one in each step, and clients are not stacked.

    Fields:
        ratio: which part of the parameters to leave alone: those that move most (k in the paper).
        by: how to tell what moves: the last global "update", or the "gradient" of honest examples.
    """

    composes: ClassVar[bool] = True

    ratio: float = Field(0.05, gt=0, lt=1)
    by: Literal["update", "gradient"] = "update"

    def overrides(self, hook: str) -> bool:
        idle = ("gradient",) if self.by == "update" else ("remember", "step", "submit")
        same = getattr(type(self), hook) is getattr(Neurotoxin, hook)
        return super().overrides(hook) and not (hook in idle and same)

    def remember(self, params: Tensor) -> Memory:
        if self.by == "gradient":
            return {}
        return {"model": params, "mask": torch.ones_like(params), "fresh": params.new_ones(())}

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        if self.by == "gradient":  # a second copy, which poisoning takes for padding
            x, y = (torch.cat([part, part]) for part in batch[:2])
            return Batch(x, y, torch.cat([batch.w, torch.zeros_like(batch.w)])), memory
        fresh = memory["fresh"] > 0  # the first step of a round: this is the model received
        moved = params - memory["model"]
        mask = torch.where(moved.any(), self._mask(moved), 1.0)
        return batch, {
            "model": torch.where(fresh, params, memory["model"]),
            "mask": torch.where(fresh, mask, memory["mask"]),
            "fresh": torch.zeros_like(memory["fresh"]),
        }

    def gradient(self, gradient: Gradient, loss: Loss, draws: Draws) -> Gradient:
        def masked(params: Tensor, batch: Batch) -> Tensor:
            (x, honest_x), (y, honest_y), (w, _) = (part.chunk(2) for part in batch)
            mask = self._mask(gradient(params, Batch(honest_x, honest_y, w)))
            return mask * gradient(params, Batch(x, y, w))

        return masked if self.by == "gradient" else gradient

    def step(
        self, direction: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Tensor, Memory]:
        return (direction * memory["mask"] if memory else direction), memory

    def submit(self, update: Tensor, memory: Memory, draws: Draws) -> tuple[Tensor, Memory]:
        if not memory:
            return update, memory
        return update * memory["mask"], {**memory, "fresh": torch.ones_like(memory["fresh"])}

    def _mask(self, moves: Tensor) -> Tensor:
        """Return 0 for the part of the parameters ``[d]`` that moves most, and 1 for the rest."""
        most = moves.abs().topk(round(self.ratio * len(moves))).indices
        return torch.ones_like(moves).scatter(0, most, 0.0)
