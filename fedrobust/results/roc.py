"""How well what a rule suspects sets malicious clients apart from honest ones."""

from typing import TYPE_CHECKING, Any

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
    known = _told_apart(rows, role)
    ranks = known.groupby("round").suspicion.rank().where(known.positive)
    ours = known.positive.groupby(known["round"]).sum()
    others = (~known.positive).groupby(known["round"]).sum()
    wins = ranks.groupby(known["round"]).sum() - ours * (ours + 1) / 2
    pairs = (ours * others).sum()
    return float(wins.sum() / pairs) if pairs else None


def roc(rows: "DataFrame", role: str | None = None) -> "tuple[Any, Any] | None":
    """Return which shares of honest and of malicious updates are above a suspicion, to draw.

    Suspicions are ranks within rounds, put together over all rounds.

    Args:
        rows: as `judged` returns them.
        role: which attack; None for all.

    Returns:
        Two arrays of equal length, for falling suspicions; None where nothing is known.
    """
    from sklearn.metrics import roc_curve

    known = _told_apart(rows, role)
    if known.positive.all() or not known.positive.any():
        return None
    false, true, _ = roc_curve(known.positive, known.suspicion)
    return false, true


def _told_apart(rows: "DataFrame", role: str | None) -> "DataFrame":
    """Return suspicions of honest clients and of one attack, or all, the latter marked positive."""
    known = rows[rows.suspicion.notna()]
    if role is not None:
        known = known[known.role.isin(["honest", role])]
    return known.assign(positive=known.role != "honest")
