"""Karimireddy, He and Jaggi, "Learning from History", ICML 2021, https://arxiv.org/abs/2012.10333.

The setting of their study on CIFAR-10, on Fashion-MNIST: n = 25 clients with one batch of 32 a
round, f = 5 or 11 of them malicious, identical distributions.
"""

from collections.abc import Iterator
from typing import Any

from examples.papers.grid import Cell

__all__ = ["momentum"]

SEEDS = (0, 1, 2)
LR = 0.1
RULES: dict[str, Any] = {
    "krum": "krum",
    "coordinate_median": "coordinate_median",
    "trimmed_mean": "trimmed_mean",
    # 0.1 in units of a gradient, three steps of Weiszfeld: the study's geometric median.
    "geometric_median": {"name": "geometric_median", "smoothing": 0.1 * LR, "max_iterations": 3},
    "centered_clipping": "centered_clipping",
}
# Clients that flip bits or labels have no momentum in the study; the others know the honest mean.
ATTACKS: dict[str, dict[str, Any]] = {
    "bit flip, f = 5": {"attack": "sign_flip", "compliant": False},
    "label flip, f = 5": {"attack": "label_flip", "compliant": False},
    "ALIE, f = 5": {"attack": {"name": "alie", "sign": -1}},
    "IPM 0.1, f = 11": {"attack": {"name": "ipm", "epsilon": 0.1}},
}


def _scenario(seed: int, f: int, strategy: list[Any], adversary: dict[str, Any]) -> dict[str, Any]:
    return {
        "seed": seed,
        "rounds": 300,
        "clients": 25,
        "model": "examples.papers.parts:SmallCNN",
        "training": {"steps": 1, "batch_size": 32, "lr": LR},
        "strategy": strategy,
        "adversary": [{**adversary, "clients": list(range(25 - f, 25))}] if f else [],
        "evaluate_every": 15,
    }


def momentum() -> Iterator[Cell]:
    """Momentum x attack x rule: the study's main table."""
    for seed in SEEDS:
        for beta in (0.0, 0.9, 0.99):
            beneath = [{"name": "client_momentum", "beta": beta}] if beta else []
            labels: dict[str, Any] = {"attack": "none", "rule": "mean", "beta": beta, "seed": seed}
            yield Cell(labels, _scenario(seed, 0, [*beneath, "mean"], {}))
            for attack, adversary in ATTACKS.items():
                f = int(attack.rpartition("=")[2])
                for rule, part in RULES.items():
                    labels = {"attack": attack, "rule": rule, "beta": beta, "seed": seed}
                    yield Cell(labels, _scenario(seed, f, [*beneath, part], adversary))
