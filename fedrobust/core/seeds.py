"""Where all randomness comes from: one generator for each (seed, purpose, round, client).

Nothing in fedrobust reads or sets a global seed.  A stream depends on its four labels and on
nothing that ran before it, so the order in which clients train, the grid that carries them and
the number of processes cannot change a result.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from hashlib import blake2b

import numpy as np
import torch

__all__ = ["Purpose", "entropy", "generator", "global_torch_seed", "numpy_generator"]


class Purpose(StrEnum):
    """What random numbers are for; each purpose has streams of its own."""

    ADVERSARY = "adversary"  # what an attack draws when it crafts updates
    CLIENT = "client"  # batches and noise of one client in one round
    CONTROL = "control"  # which clients an adversary controls
    CORRUPTION = "corruption"  # of test inputs
    DATA = "data"  # a synthetic data set
    FAULT = "fault"  # what befalls clients and their replies, without anybody's intent
    MODEL = "model"  # initial parameters
    PARTITION = "partition"  # who holds which examples
    REHEARSAL = "rehearsal"  # what an adversary that knows the rule tries it out with
    ROOT = "root"  # which examples the server has, and its batches of them
    SAMPLE = "sample"  # which clients take part in a round
    SCHEDULE = "schedule"  # in which rounds an adversary is active
    SERVER = "server"  # what the aggregation draws
    VALIDATION = "validation"  # which training examples the server holds back


def entropy(seed: int, purpose: Purpose, round: int = 0, client: int = 0) -> int:
    """Return 64 bits that depend on all four labels."""
    label = f"fedrobust/{seed}/{purpose}/{round}/{client}".encode()
    return int.from_bytes(blake2b(label, digest_size=8).digest(), "big")


def generator(seed: int, purpose: Purpose, round: int = 0, client: int = 0) -> torch.Generator:
    """Return the torch generator of one stream.

    torch's CPU generator keeps 32 bits of a seed: good for simulation, never for secrets.
    """
    return torch.Generator().manual_seed(entropy(seed, purpose, round, client) & 0xFFFFFFFF)


def numpy_generator(
    seed: int, purpose: Purpose, round: int = 0, client: int = 0
) -> np.random.Generator:
    """Return the numpy generator of one stream."""
    return np.random.default_rng(entropy(seed, purpose, round, client))


@contextmanager
def global_torch_seed(seed: int, purpose: Purpose) -> Iterator[None]:
    """Lend torch's global generator a stream, for code that knows no other (`nn.Module`)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(entropy(seed, purpose) & 0xFFFFFFFF)
        yield
