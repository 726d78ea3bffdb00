"""What the papers' authors measured: test accuracies in percent, from the logs they released.

Learning from History: mean of the last five evaluations over complete runs, from
https://github.com/epfml/byzantine-robust-optimizer.  Bucketing: the tables of
https://github.com/epfml/byzantine-robust-noniid-optimizer.
"""

__all__ = ["KRUM_LABEL_FLIP", "LONG_TAIL", "MIMIC", "MOMENTUM", "QUADRATIC", "RADIUS"]

_RULES = ("krum", "coordinate_median", "trimmed_mean", "geometric_median", "centered_clipping")
_BETAS = (0.0, 0.9, 0.99)


def _table(attack: str, values: str) -> dict[tuple[str, str, float], float]:
    numbers = iter(values.split())
    return {(attack, rule, beta): float(next(numbers)) for rule in _RULES for beta in _BETAS}


# CIFAR-10, ResNet-20; (attack, rule, beta): accuracy.
MOMENTUM = {
    ("none", "mean", 0.0): 86.2,
    ("none", "mean", 0.9): 89.7,
    ("none", "mean", 0.99): 89.3,
    **_table(
        "bit flip, f = 5",
        "76.6 64.2 22.0  82.4 88.8 85.2  82.1 89.0 86.7  82.6 89.0 81.9  82.3 88.9 87.8",
    ),
    **_table(
        "label flip, f = 5",
        "76.9 6.2 31.3  79.0 88.3 89.0  79.5 88.0 89.5  82.5 89.0 88.9  82.3 89.0 89.3",
    ),
    **_table(
        "ALIE, f = 5",
        "25.5 52.0 78.6  25.0 50.8 81.5  45.6 49.5 87.7  31.7 49.6 82.9  68.0 86.8 88.8",
    ),
    **_table(
        "IPM 0.1, f = 11",
        "9.6 10.5 10.0  12.0 50.3 74.6  12.1 51.2 74.9  10.9 43.0 70.5  83.7 89.3 89.6",
    ),
}


def _split(values: str) -> dict[tuple[str, str, int], float]:
    numbers = iter(values.split())
    rules = ("mean", "krum", "coordinate_median", "geometric_median", "centered_clipping")
    return {
        (rule, split, size): float(next(numbers))
        for rule in rules
        for size in (1, 2)
        for split in ("iid", "non-iid")
    }


# MNIST, a convolutional network; (rule, split, s): accuracy.
LONG_TAIL = _split(
    "98.79 98.75 98.80 98.74  97.95 89.90 98.35 93.27  97.72 80.36 98.26 95.59 "
    "98.62 82.60 98.75 97.34  98.78 98.78 98.79 98.75"
)
MIMIC = _split(
    "93.20 92.73 93.17 92.67  90.36 37.33 91.64 53.15  90.80 64.27 91.91 78.60 "
    "92.92 78.93 93.00 91.17  93.16 91.53 93.17 92.56"
)
KRUM_LABEL_FLIP = {("krum", "non-iid", 1): 0.64, ("krum", "non-iid", 2): 72.5}
KRUM_LABEL_FLIP[("krum", "non-iid", 3)] = 84.9
# (attack, radius): accuracy, of one seed.
RADIUS = {
    ("bit flip", "none"): 9.6,
    ("bit flip", "sqrt"): 97.6,
    ("bit flip", "linear"): 99.0,
    ("IPM 0.1", "none"): 9.8,
    ("IPM 0.1", "sqrt"): 98.7,
    ("IPM 0.1", "linear"): 99.1,
    ("mimic", "none"): 10.1,
    ("mimic", "sqrt"): 98.3,
    ("mimic", "linear"): 98.8,
    ("ALIE", "none"): 11.4,
    ("ALIE", "sqrt"): 11.4,
    ("ALIE", "linear"): 98.5,
    ("label flip", "none"): 10.0,
    ("label flip", "sqrt"): 11.4,
    ("label flip", "linear"): 11.4,
}
# Not published: computed for this project with numpy alone, before the code was written.
QUADRATIC = {
    (0.2533, "mean"): (0.0745, 0.0154, 0.0124),
    (0.2533, "centered_clipping"): (0.0745, 0.0154, 0.0124),
    (0.2533, "coordinate_median"): (1.138, 0.0705, 0.0185),
    (0.2533, "geometric_median"): (1.233, 0.0648, 0.0145),
    (0.2533, "krum"): (1.576, 0.094, 0.020),
    (1.0, "mean"): (0.986, 0.063, 0.017),
    (1.0, "coordinate_median"): (2.50, 0.142, 0.028),
    (1.0, "geometric_median"): (1.57, 0.094, 0.020),
    (1.0, "krum"): (22.0, 1.18, 0.128),
}
