"""Karimireddy, He and Jaggi, "Bucketing", ICLR 2022, https://arxiv.org/abs/2006.09365.

The setting of the authors' study on MNIST, on Fashion-MNIST: one batch of 32 a round, honest
clients with a contiguous piece of the examples sorted by label, malicious ones with a sample of
everything.
"""

from collections.abc import Iterator
from typing import Any

from examples.papers.grid import Cell

__all__ = ["krum_label_flip", "long_tail", "mimic", "radius"]

SEEDS = (0, 1, 2)
LR = 0.01
MODEL = {"name": "mlp", "hidden": [64]}
RULES: dict[str, Any] = {
    "mean": "mean",
    "krum": "krum",
    "coordinate_median": "coordinate_median",
    # The study's: 0.1 in units of a gradient, eight steps of Weiszfeld.
    "geometric_median": {"name": "geometric_median", "smoothing": 0.1 * LR, "max_iterations": 8},
    # The study's radius of 10 is in units of a gradient; an update is LR times one.
    "centered_clipping": {"name": "centered_clipping", "radius": 10 * LR, "iterations": 3},
}
SPLITS = ("iid", "non-iid")


def _scenario(seed: int, n: int, f: int, split: str, rounds: int, **rest: Any) -> dict[str, Any]:
    sorted_ = {"name": "examples.papers.parts:SortedByLabel", "honest": n - f}
    return {
        "seed": seed,
        "rounds": rounds,
        "clients": n,
        "partition": "iid" if split == "iid" else sorted_,
        "model": MODEL,
        "training": {"steps": 1, "batch_size": 32, "lr": LR},
        "evaluate_every": 30,
        **rest,
    }


def _adversary(attack: Any, n: int, f: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"attack": attack, "clients": list(range(n - f, n)), **fields}]


def _buckets(size: int) -> list[Any]:
    return [{"name": "bucketing", "size": size}] if size > 1 else []


def long_tail(data: str = "fashion_mnist") -> Iterator[Cell]:
    """No attacker; each class has half as many examples as the one before it."""
    for seed in SEEDS:
        for size in (1, 2):
            for split in SPLITS:
                for rule, part in RULES.items():
                    labels = {"rule": rule, "split": split, "s": size, "seed": seed}
                    tail = {"name": "examples.papers.parts:LongTail", "data": data}
                    fields = {"data": tail, "model": "softmax", "strategy": [*_buckets(size), part]}
                    yield Cell(labels, _scenario(seed, 24, 0, split, 4500, **fields))


def mimic(data: str = "fashion_mnist") -> Iterator[Cell]:
    """Five of 25 copy one honest client."""
    for seed in SEEDS:
        for size in (1, 2):
            for split in SPLITS:
                for rule, part in RULES.items():
                    labels = {"rule": rule, "split": split, "s": size, "seed": seed}
                    yield Cell(
                        labels,
                        _scenario(
                            *(seed, 25, 5, split, 600),
                            data=data,
                            strategy=[*_buckets(size), part],
                            adversary=_adversary("mimic", 25, 5),
                        ),
                    )


def krum_label_flip(data: str = "fashion_mnist") -> Iterator[Cell]:
    """Krum, two of 20 flip labels, buckets of one, two and three."""
    for seed in SEEDS:
        for size in (1, 2, 3):
            labels: dict[str, Any] = {"rule": "krum", "split": "non-iid", "s": size, "seed": seed}
            adversary = _adversary("label_flip", 20, 2, compliant=False)
            strategy = [*_buckets(size), "krum"]
            fields = {"data": data, "strategy": strategy, "adversary": adversary}
            yield Cell(labels, _scenario(seed, 20, 2, "non-iid", 1200, **fields))


ATTACKS: dict[str, Any] = {
    "bit flip": ("sign_flip", {"compliant": False}),
    "label flip": ("label_flip", {"compliant": False}),
    "mimic": ("mimic", {}),
    "IPM 0.1": ({"name": "ipm", "epsilon": 0.1}, {}),
    "ALIE": ({"name": "alie", "sign": -1}, {}),
}


def radius(data: str = "fashion_mnist") -> Iterator[Cell]:
    """Heavy-ball momentum of 0.99, and three ways to fit the radius to it."""
    beta = 0.99
    for seed in SEEDS:
        for scaling, factor in (
            ("none", 1.0),
            ("sqrt", (1 - beta) ** -0.5),
            ("linear", 1 / (1 - beta)),
        ):
            for attack, (part, fields) in ATTACKS.items():
                labels: dict[str, Any] = {"attack": attack, "radius": scaling, "seed": seed}
                strategy = [
                    {"name": "client_momentum", "beta": beta, "form": "heavy_ball"},
                    {**RULES["centered_clipping"], "radius": 10 * LR * factor},
                ]
                yield Cell(
                    labels,
                    _scenario(
                        *(seed, 25, 5, "non-iid", 1200),
                        data=data,
                        strategy=strategy,
                        adversary=_adversary(part, 25, 5, **fields),
                    ),
                )
