import os
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedrobust.core.adversary import View
from fedrobust.core.aggregator import RoundInfo
from fedrobust.core.federation import Federation
from fedrobust.core.task import Data, Task


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory):
    """Neither read nor write what the user's machine remembers."""
    folder = os.environ.setdefault("FEDROBUST_CACHE", str(tmp_path_factory.mktemp("cache")))
    return folder


@pytest.fixture(scope="session")
def info():
    """Return a factory of the RoundInfo that goes with a matrix of updates."""

    def make(updates: Tensor, number: int = 1, num_malicious: int = 0, seed: int = 0) -> RoundInfo:
        n, d = updates.shape
        return RoundInfo(
            number,
            torch.zeros(d),
            clients=torch.arange(n),
            examples=torch.ones(n),
            generator=torch.Generator().manual_seed(seed),
            num_malicious=num_malicious,
        )

    return make


@pytest.fixture(scope="session")
def view():
    """Return a factory of the View of an adversary that controls the clients of `own`."""

    def make(own: Tensor, honest: Tensor | None = None, seed: int = 0, **known: Any) -> View:
        n = len(own) + (0 if honest is None else len(honest))
        return View(
            params=torch.zeros(own.shape[1]),
            own=own,
            honest=honest,
            num_clients=known.get("num_clients", n),
            num_controlled=known.get("num_controlled", len(own)),
            round=known.get("round", 1),
            generator=torch.Generator().manual_seed(seed),
            honest_clients=None if honest is None else torch.arange(len(own), n),
            simulate=known.get("simulate"),
            trial=known.get("trial"),
        )

    return make


@pytest.fixture(scope="session")
def task() -> Task:
    """Three Gaussian blobs and a linear model: learned in ten rounds, in milliseconds."""
    g = torch.Generator().manual_seed(0)
    centers = torch.tensor([[3.0, 0.0], [-3.0, 3.0], [-3.0, -3.0]])

    def sample(size: int) -> tuple[Tensor, Tensor]:
        y = torch.randint(3, (size,), generator=g)
        return centers[y] + torch.randn(size, 2, generator=g), y

    model = nn.Linear(2, 3)
    with torch.no_grad():
        model.weight.copy_(torch.randn(3, 2, generator=g) / 2)
        model.bias.zero_()
    return Task(model, Data(*sample(600), *sample(300), num_classes=3))


@pytest.fixture(scope="session")
def federation() -> Federation:
    """Ten clients of the task above, with 60 examples each."""
    return Federation(torch.arange(600).split(60))
