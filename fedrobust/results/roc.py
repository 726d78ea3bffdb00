"""How well what a rule suspects sets malicious clients apart from honest ones."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["auc", "roc"]

_DIGITS = 12  # of shares: what differs beyond is rounding


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
    return float((found.less + found.at_most).sum() / (2 * pairs)) if pairs else None


def roc(rows: "DataFrame", role: str | None = None) -> "tuple[Any, Any] | None":
    """Return which share of honest updates has to be flagged to flag a share of malicious ones.

    The suspicion of a malicious update is placed among those of the honest ones of its round, and
    the curve rises where it is, or across those that it ties with (Pepe and Cai, "The analysis of
    placement values for evaluating discriminatory measures", Biometrics 2004).  So no round is
    compared with another, and the area under the curve is `auc`.

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
    places = [(1 - share / found.others).round(_DIGITS) for share in (found.at_most, found.less)]
    # many updates have the same place, and together they are one step
    steps = found.others.groupby([places[0].rename("begin"), places[1].rename("end")]).sum()
    begin, end, weight = steps.reset_index().to_numpy(dtype=float).T
    false = np.unique(np.concatenate([[0.0], begin, end, [1.0]]))[:, None]
    width = np.where(end > begin, end - begin, 1.0)
    rising = np.clip((false - begin) / width, 0, 1)
    before, after = (
        (np.where(end > begin, rising, jumped) * weight).sum(axis=1)
        for jumped in (false > begin, false >= begin)
    )
    corners = np.stack([before, after], axis=1).ravel()
    return np.repeat(false[:, 0], 2), corners / corners[-1]


def _placed(rows: "DataFrame", role: str | None) -> "DataFrame":
    """Return a row for each malicious update in a round with honest ones.

    Columns ``others``: how many these are; ``less`` and ``at_most``: how many of them are less
    suspect, and how many are no more.
    """
    known = rows[rows.suspicion.notna()]
    if role is not None:
        known = known[known.role.isin(["honest", role])]
    honest = known.role == "honest"
    ours = known[~honest]
    less, at_most = (
        known.groupby("round").suspicion.rank(method)[~honest]
        - ours.groupby("round").suspicion.rank(method)
        for method in ("min", "max")
    )
    others = ours["round"].map(honest.groupby(known["round"]).sum())
    return ours.assign(less=less, at_most=at_most, others=others)[others > 0]
