"""Who gets which training examples: the server some, clients the others."""

from typing import NamedTuple

import torch
from torch import Tensor

from fedrobust.core import seeds
from fedrobust.core.seeds import Purpose
from fedrobust.errors import ConfigError

__all__ = ["Allotment", "allotted"]


class Allotment(NamedTuple):
    """Places of training examples; none is in two of them, and together they are all."""

    clients: Tensor  # [c] ascending
    root: Tensor  # [m] that the server learns from
    validation: Tensor  # [v] ascending; that it only evaluates models on


def allotted(
    examples: int, clients: int, seed: int, root_examples: int = 0, validation: float = 0.0
) -> Allotment:
    """Draw the server's examples at random; clients share the others.

    Each draw has a stream of its own, so that without validation the root examples are those of
    a run that has never heard of it.

    Args:
        examples: how many there are.
        clients: how many there are.
        seed: of the run.
        root_examples: how many the server learns from.
        validation: the share of all that it holds back; at least one example, if it is not 0.

    Raises:
        ConfigError: if fewer than one would be left for each client.
    """
    shuffled = torch.randperm(examples, generator=seeds.generator(seed, Purpose.VALIDATION))
    held = shuffled[: max(1, round(validation * examples)) if validation else 0].sort().values
    order = torch.randperm(examples, generator=seeds.generator(seed, Purpose.ROOT))
    order = order[~torch.isin(order, held)]
    root, others = order[:root_examples], order[root_examples:].sort().values
    kept = root_examples + len(held)
    if kept and len(others) < clients:
        blamed = "root_examples" if root_examples > len(held) else "validation"
        raise ConfigError(
            f"{blamed}: of {examples} training examples the server keeps {kept}, which leaves "
            f"fewer than one for each of {clients} clients; lower it."
        )
    return Allotment(others, root, held)
