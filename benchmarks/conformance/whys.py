"""Why answers differ, and how that is proven."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.conformance import alternatives as as_if
from benchmarks.conformance.verdict import Outcome

__all__ = ["WHYS", "Proof", "Why", "complaints", "why"]

Pair = tuple[str, str]  # a case's title and a peer


@dataclass(frozen=True)
class Proof:
    """What has to hold on every set of updates that an explanation is for.

    Fields:
        as_if: the definition whose answers the peer gives; None for the case's own.
        moved: that it gives them only once the updates are moved to zero and scaled to 1: digits
            are to blame.
        silent: that it gives no answer.
        inputs: which updates the explanation is for; None for those that no other is for.
    """

    as_if: Callable[..., Any] | None = None
    moved: bool = False
    silent: bool = False
    inputs: Sequence[str] | None = None


@dataclass(frozen=True, eq=False)
class Why:
    """Why some peers differ.

    Fields:
        title: of its section.
        kind: a "convention" that is as good as ours, "rounding" of the right definition, or a
            "departure" from it.
        text: what the peer does.
        proofs: for each pair it explains.
    """

    title: str
    kind: Literal["convention", "rounding", "departure"]
    text: str
    proofs: Mapping[Pair, Proof]


def why(case: str, system: str, name: str) -> Why | None:
    """Return the explanation for an input; None if there is none."""
    mine = [one for one in WHYS if (case, system) in one.proofs]
    covered = {one: one.proofs[case, system].inputs for one in mine}
    named = [one for one, inputs in covered.items() if inputs is not None and name in inputs]
    general = [one for one, inputs in covered.items() if inputs is None]
    return next(iter(named + general), None)


def complaints(outcomes: Sequence[Outcome], ours: str) -> list[str]:
    """Return what the page may not say: where we are wrong, and texts that do not fit."""
    found, used = [], set()
    for one in outcomes:
        if one.equal:
            continue
        where = f"{one.case} of {one.system} on {one.input!r}"
        if one.system == ours:
            found.append(f"{where} is not the definition's: {one.said or one.away}")
        elif (reason := why(one.case, one.system, one.input)) is None:
            found.append(f"{where} differs, and nothing says why: {one.said or one.away}")
        else:
            used.add((reason.title, one.case, one.system))
    for reason in WHYS:
        for case, system in reason.proofs:
            if (reason.title, case, system) not in used:
                found.append(f"{reason.title!r} explains {case} of {system}, which is equal")
    return found


_CLOSE = ["nearly equal", "models"]
_SHORT = Proof(moved=True)
_TOO_CLOSE = Proof(moved=True, inputs=_CLOSE)
_TOO_LARGE = Proof(moved=True, inputs=["1e18"])

WHYS = (
    Why(
        "The lower of two medians",
        "convention",
        "Where n is even, ByzPy's median is the lower of the two middle values, as `torch.median` "
        "defines it. The usual definition is midway between them, which the lower one is never "
        "above, in no coordinate and no round. Its mean around the median takes the same median.",
        {
            ("coordinate_median", "ByzPy"): Proof(as_if.lower_median),
            ("mean_around_median", "ByzPy"): Proof(as_if.mean_around_lower_median),
        },
    ),
    Why(
        "Distances from norms and products in float32",
        "rounding",
        "The squared distance is computed in float32 as |x|^2 + |y|^2 - 2xy; for SMEA, the "
        "covariance in float32 from products of updates. Where updates are long beside their "
        "differences, hardly a digit of the difference is left, and the wrong updates are taken "
        "for the nearest. Flower's strategies aggregate models, not updates, so they are in this "
        "situation in every round in which clients move little. fedrobust aggregates updates and "
        "measures distances in float64.",
        {
            ("krum", "Flower"): _TOO_CLOSE,
            ("krum, n-f-1 neighbors", "ByzPy"): _TOO_CLOSE,
            ("krum, keeping n-f", "Flower"): _TOO_CLOSE,
            ("krum, keeping n-f, n-f-1 neighbors", "ByzPy"): _TOO_CLOSE,
            ("minimum_diameter_averaging", "ByzPy"): _TOO_CLOSE,
            ("smea", "ByzPy"): _TOO_CLOSE,
            ("nearest_neighbor_mixing", "ByzPy"): _TOO_CLOSE,
            ("bulyan", "Flower"): Proof(as_if.bulyan_at_once, moved=True, inputs=_CLOSE),
        },
    ),
    Why(
        "Squares beyond float32",
        "rounding",
        "Sums of squares, or of their squares, are kept in float32, which ends at 3.4e38: the "
        "scores of most updates of size 1e18 are infinite, hence the same. Nothing but an attack "
        "is so large, but nothing keeps an attacker from sending it. What SMEA, CAF and Bulyan do "
        "besides is said below.",
        {
            ("krum, keeping n-f", "Flower"): _TOO_LARGE,
            ("krum, keeping n-f, n-f-1 neighbors", "ByzFL"): _TOO_LARGE,
            ("krum, keeping n-f, n-f-1 neighbors", "ByzPy"): _TOO_LARGE,
            ("bulyan", "Flower"): Proof(as_if.bulyan_at_once, moved=True, inputs=["1e18"]),
            ("smea", "ByzFL"): Proof(as_if.smea_by_one_step, moved=True, inputs=["1e15", "1e18"]),
            ("caf", "ByzFL"): Proof(as_if.caf_by_one_step, moved=True, inputs=["1e15", "1e18"]),
            ("caf", "ByzPy"): Proof(as_if.caf_by_three_steps, moved=True, inputs=["1e18"]),
        },
    ),
    Why(
        "Bulyan that chooses all at once",
        "departure",
        "The paper chooses n - 2f updates one after another, each by Krum among those that are "
        "left. Flower takes the n - 2f with the lowest scores among all, unless it is given a "
        "selection rule of one's own.",
        {("bulyan", "Flower"): Proof(as_if.bulyan_at_once)},
    ),
    Why(
        "Three steps towards the geometric median",
        "convention",
        "ByzFL's preset is three of Weiszfeld's steps from zero, with distances below 0.1 counted "
        "as 0.1, as in experiments with RFA. That is not the geometric median yet, and updates "
        "much shorter than 0.1 are simply averaged. With 1,000 steps and a smaller limit, the row "
        "above, it converges to it. Our `smoothing` and `max_iterations` are the same settings, "
        "but start at an update.",
        {("geometric_median, as preset", "ByzFL"): Proof(as_if.weiszfeld_from_zero)},
    ),
    Why(
        "A tolerance in absolute units",
        "rounding",
        "ByzPy's geometric median stops when a step is shorter than 1e-6, whatever the size of the "
        "updates. Ours stops at a step of 1e-8 times their median distance.",
        {
            ("geometric_median", "ByzPy"): _SHORT,
            ("geometric_median, as preset", "ByzPy"): _SHORT,
        },
    ),
    Why(
        "SMEA by one step of a power iteration",
        "departure",
        "ByzFL estimates the largest eigenvalue of each subset by one step of a power iteration "
        "from a random direction, another for each subset. The estimates say little about the "
        "eigenvalues, so the subset with the lowest estimate is rarely the right one, and another "
        "call chooses another. ByzPy and fedrobust compute eigenvalues from the Gram matrix.",
        {("smea", "ByzFL"): Proof(as_if.smea_by_one_step)},
    ),
    Why(
        "CAF by one step of a power iteration",
        "departure",
        "As for SMEA, ByzFL's main direction is the image of a random one, so that weight is "
        "taken from updates that do not stick out, and another call gives another answer.",
        {("caf", "ByzFL"): Proof(as_if.caf_by_one_step)},
    ),
    Why(
        "CAF without attackers",
        "departure",
        "With f = 0 ByzFL's loop, which is to end as soon as no more than n - 2f of the weight is "
        "left, never begins, and there is no answer (None). The mean has to be it.",
        {("caf", "ByzFL"): Proof(silent=True, inputs=["no attackers"])},
    ),
    Why(
        "CAF by three steps of a power iteration",
        "departure",
        "ByzPy's main direction is what three steps of a power iteration make of one random "
        "direction, always the same. They converge where one direction stands out, but not where "
        "several are nearly as long, which is when CAF has to decide.",
        {("caf", "ByzPy"): Proof(as_if.caf_by_three_steps)},
    ),
    Why(
        "Centered clipping without a memory",
        "departure",
        "The paper's center is the answer of the round before: that is the history it learns from. "
        "ByzPy starts each round from zero, the mean or the median, whichever is asked for.",
        {("centered_clipping, three rounds", "ByzPy"): Proof(as_if.centered_clipping_afresh)},
    ),
    Why(
        "Adam's correction of the first rounds",
        "convention",
        "Algorithm 2 of the paper starts the second moment at tau^2 and corrects nothing. Flower "
        "starts at 0, and multiplies the learning rate of round t by Kingma and Ba's correction "
        "for step t + 1.",
        {("mean, fed_adam", "Flower"): Proof(as_if.adam_corrected)},
    ),
    Why(
        "A second moment that starts from zero",
        "convention",
        "The second moment starts at tau^2 in the paper and at 0 in Flower. The difference is gone "
        "after the first rounds, unless updates are as small as tau.",
        {
            ("mean, fed_yogi", "Flower"): Proof(as_if.yogi_from_zero),
            ("mean, fed_adagrad", "Flower"): Proof(as_if.adagrad_from_zero),
        },
    ),
)
