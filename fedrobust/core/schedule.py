"""In which rounds something acts."""

from typing import Self

import torch
from pydantic import BaseModel, Field, PositiveInt, model_validator

__all__ = ["Schedule"]


class Schedule(BaseModel, frozen=True, extra="forbid"):
    """In which rounds an adversary is active; in the others its clients are honest.

    Always, by default.  A sleeper starts late; a single shot is one of `rounds`; one that
    alternates acts for a `stretch` of rounds out of `every` so many.

    Fields:
        start: the first round.
        stop: the last round; None for the last of the run.
        rounds: the only rounds; None for all.
        every: act once in so many rounds.
        stretch: for how many rounds in a row it then acts; one by default.
        probability: act in a round with this probability, on top of the rest.
    """

    start: PositiveInt = 1
    stop: PositiveInt | None = None
    rounds: tuple[PositiveInt, ...] | None = Field(None, min_length=1)
    every: PositiveInt = 1
    stretch: PositiveInt | None = None
    probability: float = Field(1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _rests(self) -> Self:
        if self.stretch is not None and self.stretch >= self.every:
            raise ValueError(
                f"stretch = {self.stretch} needs a larger `every`, not {self.every}: an adversary "
                f"that acts for {self.stretch} rounds and rests for as many has every = "
                f"{2 * self.stretch}."
            )
        return self

    @model_validator(mode="after")
    def _ever_acts(self) -> Self:
        if self.stop is not None and self.stop < self.start:
            raise ValueError(f"stop = {self.stop} comes before start = {self.start}.")
        if self.rounds is not None and not any(map(self.may_include, self.rounds)):
            raise ValueError(f"rounds = {list(self.rounds)} are left out by the other keys.")
        return self

    def may_include(self, round: int) -> bool:
        """Say whether the adversary acts in a round, if chance lets it."""
        if round < self.start or (self.stop is not None and round > self.stop):
            return False
        if self.rounds is not None and round not in self.rounds:
            return False
        return (round - self.start) % self.every < (self.stretch or 1)

    def last(self, rounds: int) -> int | None:
        """Return the last of so many rounds in which the adversary may act; None if in none."""
        return next((r for r in range(rounds, 0, -1) if self.may_include(r)), None)

    def includes(self, round: int, generator: torch.Generator) -> bool:
        """Say whether the adversary acts in a round."""
        if not self.may_include(round):
            return False
        return torch.rand((), generator=generator).item() < self.probability
