"""Numbers that need no data: averages of coins, a quadratic, adversarial draws."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from fedrobust.attacks.alie import ALIE
from fedrobust.core.adversary import View
from fedrobust.core.aggregator import Aggregator, RoundInfo
from fedrobust.core.chain import Chain
from fedrobust.registry import find
from fedrobust.strategies.client_momentum import ClientMomentum
from fedrobust.strategies.nearest_neighbor_mixing import NearestNeighborMixing

__all__ = ["coins", "eigenvalues", "kappas", "quadratic"]

Rows = Iterator[dict[str, Any]]


def rule(name: str, **fields: Any) -> Aggregator:
    """Return a rule by its name."""
    made = find("strategies", name)(**fields)
    if not isinstance(made, Aggregator):
        raise TypeError(f"{name} is no rule.")
    return made


def aggregated(by: Aggregator, updates: Tensor, f: int = 0) -> Tensor:
    """Return what a rule makes of one round."""
    n, d = updates.shape
    generator = torch.Generator().manual_seed(0)
    info = RoundInfo(1, torch.zeros(d), torch.arange(n), torch.ones(n), generator, f)
    return by.aggregate(updates, by.init(info.params), info).update


def coins(trials: int = 1000) -> Rows:
    """Estimate the mean of n fair coins of +1 and -1, which is 0: medians do not average noise."""
    for n in (11, 25, 101):
        tossed = torch.randint(2, (trials, n, 1), generator=torch.Generator().manual_seed(n))
        for name in ("mean", "coordinate_median", "krum", "geometric_median"):
            estimates = [aggregated(rule(name), 2.0 * one - 1.0) for one in tossed]
            error = torch.stack(estimates).square().mean().item()
            yield {"n": n, "rule": name, "error": error}


QUADRATIC: dict[str, Callable[[float], Aggregator]] = {
    "mean": lambda beta: rule("mean"),
    "centered_clipping": lambda beta: rule("centered_clipping", radius=10 * math.sqrt(1 - beta)),
    "coordinate_median": lambda beta: rule("coordinate_median"),
    "geometric_median": lambda beta: rule("geometric_median", smoothing=0.1, max_iterations=8),
    "krum": lambda beta: rule("krum"),
}


def quadratic(seeds: int = 3, rounds: int = 3000) -> Rows:
    """Descend |x|^2 / 2 from noisy gradients, n = 25, f = 5, d = 50, under ALIE."""
    for z in (0.2533, 1.0):
        for name, made in QUADRATIC.items():
            for beta in (0.0, 0.9, 0.99):
                losses = [_descended(made(beta), beta, z, seed, rounds) for seed in range(seeds)]
                yield {"z": z, "rule": name, "beta": beta, "loss": sum(losses) / seeds}


def _descended(by: Aggregator, beta: float, z: float, seed: int, rounds: int) -> float:
    """Return the mean loss of the last sixth of the rounds."""
    n, f, d, lr, last = 25, 5, 50, 0.02, rounds // 6
    noise = torch.Generator().manual_seed(seed)
    attack, momentum = ALIE(z=z, sign=-1), ClientMomentum(beta=beta, on="step")
    x, own, total = torch.full((d,), 0.3), torch.zeros(f, d), 0.0
    memory = momentum.remember(torch.zeros(n - f, d))
    state, mind, server = by.init(x), attack.init(x), torch.Generator().manual_seed(seed)
    for number in range(1, rounds + 1):
        gradients = x + torch.randn(n - f, d, generator=noise)
        honest, memory = momentum.step(gradients, None, memory, {})  # type: ignore[arg-type]
        sent, mind = attack.craft(View(x, own, honest, n, f, number, server), mind)
        info = RoundInfo(number, x, torch.arange(n), torch.ones(n), server, f)
        update, state, *_ = by.aggregate(torch.cat([honest, sent]), state, info)
        x = x - lr * update
        total += x.square().sum().item() / 2 if number > rounds - last else 0.0
    return total / last


def kappas(trials: int = 1000) -> Rows:
    """Attack n = 9, f = 3, d = 5 in many ways; return the worst error beside what is proven."""
    names = (
        "krum",
        "coordinate_median",
        "trimmed_mean",
        "geometric_median",
        "minimum_diameter_averaging",
        "minimum_variance_averaging",
        "smea",
        "caf",
    )
    for name in names:
        for mixed in (False, True):
            before = (NearestNeighborMixing(),) if mixed else ()
            chain = Chain(before=before, rule=rule(name))
            variance, eigenvalue = _worst(chain, trials)
            yield {
                "rule": name,
                "mixed": mixed,
                "over_variance": variance,
                "over_eigenvalue": eigenvalue,
                "proven": chain.kappa(9, 3),
            }


def _worst(by: Aggregator, trials: int) -> tuple[float, float]:
    """Return the largest squared errors, over the honest variance and its largest eigenvalue."""
    g, worst = torch.Generator().manual_seed(0), [0.0, 0.0]
    for trial in range(trials):
        honest = torch.randn(6, 5, generator=g) * torch.randn(5, generator=g).exp()
        mean = honest.mean(dim=0)
        values = torch.linalg.svd(honest - mean)
        eigenvalue = values.S[0].square() / 6
        directions = (
            values.Vh[trial % 5],
            values.Vh[0],
            torch.nn.functional.normalize(torch.randn(5, generator=g), dim=0),
            torch.nn.functional.normalize(honest[trial % 6] - mean, dim=0),
        )
        size = 4 * eigenvalue.sqrt() * torch.rand((), generator=g)
        malicious = (mean + size * directions[trial % 4]).expand(3, 5)
        malicious = malicious + (trial % 2) * 0.1 * size * torch.randn(3, 5, generator=g)
        update = aggregated(by, torch.cat([honest, malicious]), f=3)
        error = (update - mean).square().sum()
        variance = (honest - mean).square().sum(dim=1).mean()
        found = ((error / variance).item(), (error / eigenvalue).item())
        worst = [max(pair) for pair in zip(worst, found, strict=True)]
    return worst[0], worst[1]


def eigenvalues(seeds: int = 3, trials: int = 100) -> Rows:
    """Estimate the mean of ten isotropic Gaussians, three of them replaced by ALIE with z = 1.5."""
    for name in ("mean", "trimmed_mean", "krum", "smea", "caf", "minimum_diameter_averaging"):
        errors = []
        for seed in range(seeds):
            g = torch.Generator().manual_seed(seed)
            for _ in range(trials):
                honest = torch.randn(7, 50, generator=g)
                sent, _ = ALIE(z=1.5).craft(
                    View(honest[0], honest[:3], honest, 10, 3, 1, g), ALIE().init(honest[0])
                )
                update = aggregated(rule(name), torch.cat([honest, sent]), f=3)
                errors.append((update - honest.mean(dim=0)).square().sum().item())
        yield {"rule": name, "error": sum(errors) / len(errors)}
