"""How a client trains in a round."""

from typing import Self

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

__all__ = ["Training"]

_LEAST = 1e-30  # of a learning rate: float32 knows no steps much shorter


class Training(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How a client trains in a round: plain SGD.

    Fields:
        steps: how many batches to take, each a random subset of the client's examples.
        epochs: how many passes over the client's examples to make, instead of `steps`.
        batch_size: examples a batch; a client with fewer takes all it has.
        lr: the learning rate of the first round.
        lr_decay: what each round multiplies it by.
        momentum: of the local optimizer, which starts anew each round (not a defense).
        weight_decay: added to the gradient as a multiple of the parameters.
    """

    steps: PositiveInt | None = None
    epochs: PositiveInt | None = None
    batch_size: PositiveInt = 32
    lr: PositiveFloat = 0.1
    lr_decay: float = Field(1.0, gt=0, le=1)
    momentum: float = Field(0.0, ge=0, lt=1)
    weight_decay: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _steps_or_epochs(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError(
                f"Training takes steps or epochs, not both (steps = {self.steps}, "
                f"epochs = {self.epochs}); remove one."
            )
        return self

    def at(self, round: int) -> Self:
        """Return how to train in a round, the first of which is 1."""
        if self.lr_decay == 1:
            return self
        lr = max(self.lr * self.lr_decay ** (round - 1), _LEAST)
        return self.model_copy(update={"lr": lr, "lr_decay": 1.0})
