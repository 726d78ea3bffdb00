"""Standardisation of columns."""

import numpy as np
import numpy.typing as npt

__all__ = ["Columns", "standardized"]

Columns = npt.NDArray[np.float64]


def standardized(columns: Columns, training: npt.NDArray[np.bool_]) -> Columns:
    """Return columns ``[N, k]`` with mean 0 and deviation 1 over the training rows.

    NaN entries count for nothing and become 0, the training mean; so does a column that is
    constant over the training rows.
    """
    known = ~np.isnan(columns) & training[:, None]
    counts = np.maximum(known.sum(axis=0), 1)
    centered = columns - columns.sum(axis=0, where=known) / counts
    deviations = np.sqrt(np.square(centered).sum(axis=0, where=known) / counts)
    varies = np.ptp(columns, axis=0)
    return centered
