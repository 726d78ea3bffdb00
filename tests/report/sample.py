"""A report's content with figures that are made up, for tests of its forms."""

from collections.abc import Sequence
from random import Random

from fedrobust.report.clients import Clients, Reputations, Roc, Timeline
from fedrobust.report.content import (
    Axis,
    Band,
    Cell,
    Content,
    Figure,
    Headline,
    Measure,
    Option,
    Ranking,
    Run,
    Split,
    Standing,
)

__all__ = ["sample"]

DEFENSES = ["mean", "median", "centered clipping", "NNM + <b>Krum</b> & co_1 50%"]
THREATS = ["nobody", "ALIE", "backdoor", "free-riders"]
SETTINGS = ["alpha 0.1", "alpha 10"]

MEASURES = [
    Measure("score", "Score", "share", "higher", "The lower of accuracy and 1 - attack success."),
    Measure(
        "accuracy", "Accuracy", "share", "higher", "Share of test inputs classified correctly."
    ),
    Measure("lost", "Accuracy lost", "share", "lower", "Below the mean while nobody attacks."),
    Measure("attack_success", "Attack success", "share", "lower", "10 % is chance."),
    Measure("f1", "Detection F1", "share", "higher", "Of updates left out."),
    Measure("auc", "Detection AUC", "share", "higher", "50 % is chance."),
    Measure("bytes", "Bytes a round", "bytes", "lower", "Sent and received."),
    Measure("seconds", "Seconds a round", "seconds", "lower", "Of the server and all clients."),
]


def sample(
    seeds: int = 3, defenses: Sequence[str] = DEFENSES, threats: Sequence[str] = THREATS
) -> Content:
    """Return a content in which every field says something.

    The first defense is the mean, under the first threat nobody attacks, the third is a backdoor.
    """
    random = Random(7)
    cells = [
        _cell(random, d, t, s, seeds, name)
        for s in range(len(SETTINGS))
        for d in range(len(defenses))
        for t, name in enumerate(threats)
    ]
    return Content(
        name="Which rule for <our> clients & why?",
        axes=[
            Axis("strategy", "defense", list(defenses)),
            Axis("adversary", "threat", list(threats)),
            Axis("partition.alpha", "setting", ["0.1", "10"]),
        ],
        defenses=[Option(name, {"strategy": name}, d == 0) for d, name in enumerate(defenses)],
        threats=[Option(name, {"adversary": name}, t == 0) for t, name in enumerate(threats)],
        settings=[Option(s, {"partition.alpha": s.split()[1]}) for s in SETTINGS],
        measures=MEASURES,
        cells=cells,
        headlines=[
            Headline(s, t, f"Under {name}, centered clipping is best: 81.3 %.", [2, 1])
            for s in range(len(SETTINGS))
            for t, name in [*enumerate(threats), (None, "the worst attack")]
        ],
        rankings=[_ranking(random, s, cells, len(defenses)) for s in range(len(SETTINGS))],
        splits=[
            Split(
                s,
                0,
                list(range(12)),
                [[random.randint(0, 50) for _ in range(10)] for _ in range(12)],
            )
            for s in range(len(SETTINGS))
        ],
        method=[("Data", "Fashion-MNIST, 12,000 images."), ("Threat model", "20 % of 12 clients.")],
        warnings=["with 2 seed(s) nobody can tell a difference from chance."],
        results_hash="ab" * 32,
        times=[{"training": random.random(), "aggregation": random.random() / 10} for _ in cells],
    )


def _figure(random: Random, middle: float, seeds: int) -> Figure:
    each = [middle + random.uniform(-0.02, 0.02) for _ in range(seeds)]
    mean = sum(each) / len(each)
    return Figure(
        mean, mean - 0.03 if seeds > 1 else None, mean + 0.03 if seeds > 1 else None, each
    )


def _cell(random: Random, d: int, t: int, s: int, seeds: int, threat: str) -> Cell:
    if (d, t) == (3, 3):
        return Cell(
            d, t, s, "undefined", "krum needs 2 f + 3 clients, not 10.", [], {}, {}, None, None, ""
        )
    middle = random.uniform(0.3, 0.9)
    figures = {
        "score": _figure(random, middle, seeds),
        "accuracy": _figure(random, middle + 0.02, seeds),
        "lost": _figure(random, 0.9 - middle, seeds),
        "bytes": Figure(3.2e6, 3.2e6, 3.2e6, [3.2e6] * seeds),
    }
    rounds = list(range(10, 101, 10))
    mean = [middle * r / 100 for r in rounds]
    curves = {"accuracy": Band(rounds, mean, [m - 0.05 for m in mean], [m + 0.05 for m in mean])}
    if t == 2:
        figures["attack_success"] = _figure(random, random.random(), seeds)
        curves["attack_success"] = curves["accuracy"]
    role = ["honest" if t == 0 or c > 2 else threat for c in range(12)]
    weighs = d in (0, 3)
    if weighs and t:
        figures["f1"] = _figure(random, 0.7, seeds)
        figures["auc"] = Figure(0.6 + 0.1 * d, None, None, [0.6 + 0.1 * d] * seeds)
    clients = Clients(
        list(range(12)),
        role,
        [random.randint(10, 500) for _ in range(12)],
        [random.random() / 6 if weighs else None for _ in range(12)],
        [random.random() if weighs else None for _ in range(12)],
        [random.uniform(0.5, 0.9) for _ in range(12)],
        [0.6 + 0.02 * c if weighs else None for c in range(12)],
        [0.5 + 0.03 * c if weighs else None for c in range(12)],
        [40 if weighs and c == 1 and t else None for c in range(12)],
    )
    bits = ["".join(random.choice("0123456789.") for _ in range(20)) for _ in range(12)]
    timeline = Timeline([1 + 5 * i for i in range(20)], list(range(12)), role, bits)
    falling = [[0.1 if c != 1 or r < 40 or not t else 0.0 for r in rounds] for c in range(12)]
    reputations = Reputations(rounds, list(range(12)), role, falling, falling)
    runs = [Run(f"{d}{t}{s}abcde-1", seed, f"{d}{t}{s}" * 10) for seed in range(seeds)]
    return Cell(
        d, t, s, "done", "", runs, figures, curves, clients, timeline if weighs else None,
        f'rounds = 100\nstrategy = ["{d}"]\n', reputations if d == 3 else None,
        Roc([0.0, 0.1, 0.3, 1.0], [0.0, 0.6, 0.9, 1.0]) if weighs and t else None,
    )  # fmt: skip


def _ranking(random: Random, setting: int, cells: list[Cell], defenses: int) -> Ranking:
    own = {(c.defense, c.threat): c.figures.get("score") for c in cells if c.setting == setting}
    standings = [
        Standing(
            d,
            1.0 + d,
            own[d, 0],
            own[d, 0],
            own.get((d, 1)),
            own.get((d, 2)),
            2,
            0.1 * d if d else None,
        )
        for d in sorted(range(defenses), key=lambda d: (d > 2, abs(d - 2)))
    ]
    return Ranking(setting, standings, 3, 1.5, [[2, 1], [1, 0]], 0.013 + random.random() / 1e3)
