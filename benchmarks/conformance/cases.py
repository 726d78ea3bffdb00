"""Which rules are compared, and with which settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.conformance import reference, server_steps

__all__ = ["CASES", "PEERS", "Case", "resolved"]

PEERS = ("ByzFL", "ByzPy", "Flower")
Part = tuple[str, Mapping[str, Any]]  # a name and its fields


@dataclass(frozen=True)
class Case:
    """A rule under one convention, as everyone calls it.

    A field may be "f", "n", "n-f", "f/n" or "radius", which is the median norm of the updates.

    Fields:
        title: in the table.
        ours: components of fedrobust, in the order in which they act.
        exact: the definition, a function of `reference`.
        peers: the rule's name and fields there, for each peer that has it.
        fields: of the definition.
        rounds: how many rounds are aggregated one after another; the last answer counts.
        moves: whether the model after the rounds is compared, not an aggregate.
        claims: whether client i says that it has i + 1 examples, not all the same.
        remembers: whether the definition is given all rounds, not only the first.
        draws: whether the definition is random, and given the answer.
    """

    title: str
    ours: Sequence[Part]
    exact: Callable[..., Any]
    peers: Mapping[str, Part]
    fields: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 1
    moves: bool = False
    claims: bool = False
    remembers: bool = False
    draws: bool = False


def resolved(fields: Mapping[str, Any], n: int, f: int, radius: float) -> dict[str, Any]:
    """Return fields with what stands for the numbers of a round replaced by them."""
    numbers = {"f": f, "n": n, "n-f": n - f, "f/n": f / n, "radius": radius}
    return {k: numbers.get(v, v) if isinstance(v, str) else v for k, v in fields.items()}


def _case(title: str, exact: Callable[..., Any], *ours: str | Part, **more: Any) -> Case:
    parts = [(part, {}) if isinstance(part, str) else part for part in ours]
    names = {"byzfl": "ByzFL", "byzpy": "ByzPy", "flower": "Flower"}
    peers = {names[key]: more.pop(key) for key in names if key in more}
    return Case(title, parts or [(title, {})], exact, peers, **more)


_F = {"f": "f"}
_LATER = {"neighbors": "n-f-1"}
_MALICIOUS = {"num_malicious_nodes": "f"}
_CLIP = {"radius": "radius", "iterations": 3}
_CLIP_ONCE = {"radius": "radius", "iterations": 1}
_ADAPTIVE = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "tau": 1e-3}
_FLOWERS = {"eta": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3}
_MOVES: dict[str, Any] = {"rounds": 3, "moves": True, "remembers": True}

CASES = (
    _case("mean", reference.mean, byzfl=("Average", {}), flower=("FedAvg", {})),
    _case(
        "weighted_mean, as claimed",
        reference.averaged_by_examples,
        ("weighted_mean", {"examples": "claimed"}),
        flower=("FedAvg", {}),
        claims=True,
    ),
    _case(
        "coordinate_median",
        reference.median,
        byzfl=("Median", {}),
        byzpy=("CoordinateWiseMedian", {}),
        flower=("FedMedian", {}),
    ),
    _case(
        "trimmed_mean",
        reference.trimmed_mean,
        byzfl=("TrMean", _F),
        byzpy=("CoordinateWiseTrimmedMean", _F),
        flower=("FedTrimmedAvg", {"beta": "f/n"}),
    ),
    _case(
        "mean_around_median",
        reference.mean_around_median,
        byzfl=("Meamed", _F),
        byzpy=("MeanOfMedians", _F),
    ),
    _case(
        "krum",
        reference.krum,
        flower=("Krum", _MALICIOUS),
        fields={"fewer": 2, "several": False},
    ),
    _case(
        "krum, n-f-1 neighbors",
        reference.krum,
        ("krum", _LATER),
        byzfl=("Krum", _F),
        byzpy=("Krum", _F),
        fields={"fewer": 1, "several": False},
    ),
    _case(
        "krum, keeping n-f",
        reference.krum,
        ("krum", {"keep": "n-f"}),
        flower=("MultiKrum", _MALICIOUS | {"num_nodes_to_select": "n-f"}),
        fields={"fewer": 2, "several": True},
    ),
    _case(
        "krum, keeping n-f, n-f-1 neighbors",
        reference.krum,
        ("krum", _LATER | {"keep": "n-f"}),
        byzfl=("MultiKrum", _F),
        byzpy=("MultiKrum", _F | {"q": "n-f"}),
        fields={"fewer": 1, "several": True},
    ),
    _case("bulyan", reference.bulyan, flower=("Bulyan", _MALICIOUS)),
    _case(
        "geometric_median",
        reference.geometric_median,
        byzfl=("GeometricMedian", {"nu": 1e-6, "T": 1000}),
        byzpy=("GeometricMedian", {"max_iter": 1000}),
    ),
    _case(
        "geometric_median, as preset",
        reference.geometric_median,
        "geometric_median",
        byzfl=("GeometricMedian", {}),
        byzpy=("GeometricMedian", {}),
    ),
    _case(
        "minimum_diameter_averaging",
        reference.mda,
        byzfl=("MDA", _F),
        byzpy=("MinimumDiameterAveraging", _F),
    ),
    _case("smea", reference.smea, byzfl=("SMEA", _F), byzpy=("SMEA", _F)),
    _case("caf", reference.caf, byzfl=("CAF", _F), byzpy=("CAF", _F)),
    _case(
        "monna, pivot client 0",
        reference.monna,
        ("monna", {"pivot": 0}),
        byzfl=("MoNNA", _F),
        byzpy=("MoNNA", _F),
    ),
    _case(
        "centered_clipping, one round",
        reference.centered_clipping,
        ("centered_clipping", _CLIP),
        byzfl=("CenteredClipping", {"tau": "radius", "L": 3}),
        byzpy=("CenteredClipping", {"c_tau": "radius", "M": 3, "init": "zero"}),
        fields=_CLIP,
        remembers=True,
    ),
    _case(
        "centered_clipping, three rounds",
        reference.centered_clipping,
        ("centered_clipping", _CLIP_ONCE),
        byzfl=("CenteredClipping", {"tau": "radius", "L": 1}),
        byzpy=("CenteredClipping", {"c_tau": "radius", "M": 1, "init": "zero"}),
        fields=_CLIP_ONCE,
        remembers=True,
        rounds=3,
    ),
    _case(
        "nearest_neighbor_mixing",
        reference.nnm,
        byzfl=("NNM", _F),
        byzpy=("NearestNeighborMixing", _F),
    ),
    _case(
        "bucketing",
        reference.bucketing,
        byzfl=("Bucketing", {"s": 2}),
        byzpy=("Bucketing", {"bucket_size": 2}),
        fields={"size": 2},
        draws=True,
    ),
    _case(
        "norm_clipping",
        reference.clip,
        ("norm_clipping", {"max_norm": "radius"}),
        byzfl=("Clipping", {"c": "radius"}),
        byzpy=("Clipping", {"threshold": "radius"}),
        fields={"radius": "radius"},
    ),
    _case(
        "norm_clipping, mean, central_noise of 0",
        reference.clipped_mean,
        ("norm_clipping", {"max_norm": "radius"}),
        "mean",
        ("central_noise", {"max_norm": "radius", "noise_multiplier": 0.0}),
        flower=(
            "DifferentialPrivacyServerSideFixedClipping",
            {"noise_multiplier": 0.0, "clipping_norm": "radius", "num_sampled_clients": "n"},
        ),
        fields={"radius": "radius"},
    ),
    _case(
        "adaptive_robust_clipping",
        reference.adaptive_clipping,
        byzfl=("ARC", _F),
        byzpy=("ARC", _F),
    ),
    _case(
        "mean, server_momentum",
        server_steps.momentum,
        "mean",
        ("server_momentum", {"beta": 0.9, "lr": 0.5}),
        flower=("FedAvgM", {"server_learning_rate": 0.5, "server_momentum": 0.9}),
        fields={"beta": 0.9, "lr": 0.5},
        **_MOVES,
    ),
    *(
        _case(
            f"mean, {name}",
            exact,
            "mean",
            (name, fields),
            flower=(flowers, {k: v for k, v in _FLOWERS.items() if k in allowed}),
            fields=fields,
            **_MOVES,
        )
        for name, exact, fields, flowers, allowed in (
            ("fed_adam", server_steps.adam, _ADAPTIVE, "FedAdam", _FLOWERS),
            ("fed_yogi", server_steps.yogi, _ADAPTIVE, "FedYogi", _FLOWERS),
            (
                "fed_adagrad",
                server_steps.adagrad,
                {"lr": 0.1, "beta1": 0.0, "tau": 1e-3},
                "FedAdagrad",
                ("eta", "tau"),
            ),
        )
    ),
)
