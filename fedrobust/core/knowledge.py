"""What a server knows when it aggregates: the round, its clients, and examples of its own."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedrobust.core.component import Component
from fedrobust.errors import AggregationError

__all__ = ["RootData", "RoundInfo"]


class RootData(ABC):
    """What the server learns in a round from examples of its own, which it can trust."""

    @property
    @abstractmethod
    def update(self) -> Tensor:
        """The update ``[d]`` that a client would learn from these examples in this round."""

    @abstractmethod
    def losses(self, models: Tensor, examples: int) -> Tensor:
        """Return the mean loss ``[k]`` of models ``[k, d]``, in float64.

        Args:
            models: which models.
            examples: on how many of its examples, drawn afresh in each round and the same for
                all models; all of them if it has fewer.
        """

    @abstractmethod
    def accuracies(self, models: Tensor) -> Tensor:
        """Return the share ``[k]`` of its examples that models ``[k, d]`` get right, in float64."""


@dataclass(frozen=True, eq=False)
class RoundInfo:
    """What a server knows about the round whose updates it aggregates."""

    number: int
    params: Tensor  # [d] the global model the clients started from
    clients: Tensor  # [n] who sent row i, as authenticated, never as claimed
    examples: Tensor  # [n] how many examples client i says it has: not to be trusted
    generator: torch.Generator
    num_malicious: int = 0  # how many of these rows the server expects to be malicious
    dropped: int = 0  # malformed replies, which no rule needs to withstand any more
    root: RootData | None = None  # what the server learns itself, where it has examples
    starts: Tensor | None = None  # [n, d] the models that clients started from, if not params
    layers: tuple[int, ...] = ()  # how many parameters each array has; () where it is unknown
    losses: Tensor | None = None  # [n] of the models that clients started from, on their own
    # examples, as they claim; None where no stage needs it and nobody says

    @property
    def starting_points(self) -> Tensor:
        """The models ``[n, d]`` that the clients started from."""
        if self.starts is not None:
            return self.starts
        return self.params.expand(len(self.clients), -1)

    def require_root(self, stage: Component) -> RootData:
        """Return what the server learns itself.

        Raises:
            AggregationError: if it has no examples of its own.
        """
        if self.root is None:
            raise AggregationError(
                f"{stage.reference()} needs examples of the server's own, and it has none: set "
                "root_examples, such as 100, in the scenario."
            )
        return self.root

    def require_losses(self, stage: Component) -> Tensor:
        """Return the losses ``[n]`` that clients claim, in float64.

        Raises:
            AggregationError: if they claim none.
        """
        if self.losses is None:
            raise AggregationError(
                f"{stage.reference()} needs to know what clients lose by the model that they are "
                "sent, and nobody says: before they train, let them evaluate it on their examples, "
                "and reply with the metric train_loss, as fedrobust's own clients do."
            )
        return self.losses.double()

    def mixed(self, mixing: Tensor) -> "RoundInfo":
        """Return what is known of rows that are mixtures ``[m, n]`` of these."""
        examples = mixing @ self.examples.to(mixing)  # which may be whole numbers; shares are not
        starts = None if self.starts is None else mixing.to(self.starts) @ self.starts
        losses = None if self.losses is None else mixing.to(self.losses) @ self.losses
        clients = torch.arange(len(mixing))
        return replace(self, clients=clients, examples=examples, starts=starts, losses=losses)
