"""Client momentum (worker momentum).

Karimireddy, He and Jaggi, "Learning from History for Byzantine Robust Optimization", ICML 2021,
https://arxiv.org/abs/2012.10333.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core.behavior import Behavior, Draws, Memory
from fedrobust.core.task import Batch

__all__ = ["ClientMomentum"]


class ClientMomentum(Behavior):
    """Send a running average over the rounds instead of what this round alone says.

    Averaging shrinks the noise of honest updates, and with it the room in which attacks like
    `alie` hide: a companion to a robust rule, no defense by itself.  It helps less where clients
    differ by their data rather than by noise.  Clients keep the average between rounds; in a
    client's first rounds it is short, because it starts from zero and is not rescaled.

    The paper's clients take one step a round; then both places for the average send the same.
    For clients that take several steps either is an adaptation of ours: "update" averages what
    is sent, and keeps the reason it works; "step" averages the directions of all their steps.

    Cost: one more vector ``[d]`` a client, kept between rounds.

    Fields:
        beta: how much of the average to keep (beta in the paper).
        form: "average" for m = beta m + (1 - beta) g, as long as an update; "heavy_ball" for
            m = beta m + g, up to 1 / (1 - beta) times as long, so that learning rates and
            clipping radii have to change with it.
        on: average each round's "update", or the direction of each "step".
    """

    beta: float = Field(0.9, ge=0, lt=1)
    form: Literal["average", "heavy_ball"] = "average"
    on: Literal["update", "step"] = "update"

    def overrides(self, hook: str) -> bool:
        idle = "step" if self.on == "update" else "submit"
        same = getattr(type(self), hook) is getattr(ClientMomentum, hook)
        return super().overrides(hook) and not (hook == idle and same)

    def remember(self, params: Tensor) -> Memory:
        return {"momentum": torch.zeros_like(params)}

    def step(
        self, direction: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Tensor, Memory]:
        return self._averaged(direction, memory) if self.on == "step" else (direction, memory)

    def submit(self, update: Tensor, memory: Memory, draws: Draws) -> tuple[Tensor, Memory]:
        return self._averaged(update, memory) if self.on == "update" else (update, memory)

    def _averaged(self, new: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        gain = 1 - self.beta if self.form == "average" else 1.0
        momentum = self.beta * memory["momentum"] + gain * new
        return momentum, {"momentum": momentum}
