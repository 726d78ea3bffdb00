"""Standardisation of columns."""

import numpy as np
import numpy.typing as npt

__all__ = ["Columns", "standardized"]

Columns = npt.NDArray[np.float64]


def standardized(columns: Columns, training: npt.NDArray[np.bool_]) -> Columns:
    """Return columns ``[N, k]`` with mean 0 and deviation 1 over the training rows.

    NaN entries count for nothing and become 0, the training mean; so does a whole column that
    is constant over the training rows.

    >>> column = np.array([[1.0], [3.0], [np.nan], [100.0]])
    >>> standardized(column, training=np.array([True, True, True, False])).ravel().tolist()
    [-1.0, 1.0, 0.0, 98.0]
    """
    known = training[:, None] & ~np.isnan(columns)
    counts = np.maximum(known.sum(axis=0), 1)
    centered = columns - columns.sum(axis=0, where=known) / counts
    deviations = np.sqrt(np.square(centered).sum(axis=0, where=known) / counts)
    lowest = columns.min(axis=0, where=known, initial=np.inf)
    varies = columns.max(axis=0, where=known, initial=-np.inf) > lowest
    scaled = np.where(varies, centered / np.where(varies, deviations, 1.0), 0.0)
    return np.nan_to_num(scaled, nan=0.0)
