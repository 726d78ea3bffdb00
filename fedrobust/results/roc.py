"""How well what a rule suspects sets malicious clients apart from honest ones."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["auc", "roc"]


def auc(rows: "DataFrame", role: str | None = None) -> float | None:
    """Return how often the rule suspects a malicious client more than an honest one.

    Pairs within a round count, and a tie for half (U of Mann and Whitney): 1 is perfect, and 0.5
    is chance.

    Args:
        rows: as `judged` returns them.
        role: which attack; None for all.

    Returns:
        None where nothing is known.
    """
    found = _placed(rows, role)
    pairs = found.others.sum()
    return float(found.won.sum() / pairs) if pairs else None


def roc(rows: "DataFrame", role: str | None = None) -> "tuple[Any, Any] | None":
    """Return which share of honest updates has to be flagged to flag a share of malicious ones.

    The suspicion of a malicious update is placed among those of the honest ones of its round, and
    the curve rises where it is (Pepe and Cai, "The analysis of placement values for evaluating
    discriminatory measures", Biometrics 2004).  So no round is compared with another, and the area
    under the curve is `auc`.

    Args:
        rows: as `judged` returns them.
        role: which attack; None for all.

    Returns:
        The corners of the curve, from (0, 0) to (1, 1): two arrays of equal length; None where
        nothing is known.
    """
    found = _placed(rows, role)
    if not len(found):
        return None
    steps = found.others.groupby(1 - found.won / found.others).sum().sort_index()
    true = (steps.cumsum() / steps.sum()).to_numpy()
    before = np.concatenate([[0.0], true[:-1]])
    corners = np.stack([before, true], axis=1).ravel()
    return (
        np.concatenate([[0.0], np.repeat(steps.index.to_numpy(dtype=float), 2), [1.0]]),
        np.concatenate([[0.0], corners, [1.0]]),
    )


def _placed(rows: "DataFrame", role: str | None) -> "DataFrame":
    """Return a row for each malicious update in a round with honest ones.

    Columns ``others``: how many these are; ``won``: how many of them are less suspect.
    """
    known = rows[rows.suspicion.notna()]
    if role is not None:
        known = known[known.role.isin(["honest", role])]
    honest = known.role == "honest"
    ours = known[~honest]
    among_all = known.groupby("round").suspicion.rank()[~honest]
    won = among_all - ours.groupby("round").suspicion.rank()
    others = ours["round"].map(honest.groupby(known["round"]).sum())
    return ours.assign(won=won, others=others)[others > 0]
