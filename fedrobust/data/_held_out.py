"""Which examples to test on, where a data set comes in one part."""

import numpy as np
import numpy.typing as npt

from fedrobust.core.federation import Indices
from fedrobust.core.seeds import Purpose, numpy_generator
from fedrobust.errors import DataError

__all__ = ["held_out"]


def held_out(y: Indices, share: float, groups: Indices | None = None) -> npt.NDArray[np.bool_]:
    """Return a mask ``[N]`` of the test examples: the same share of each class, rounded down.

    Examples are chosen at random, but always the same ones: runs that differ in their seed are
    tested alike.  Within a class they are spread evenly over the groups, and a group of which
    nothing would be left for training keeps its examples.

    Raises:
        DataError: if no class is large enough to spare an example.
    """
    groups = np.zeros_like(y) if groups is None else groups
    shuffled = numpy_generator(0, Purpose.DATA).permutation(len(y))
    order = shuffled[np.lexsort((groups[shuffled], y[shuffled]))]  # by class, then by group
    sizes = np.bincount(y)
    place = np.arange(len(y)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # within the class
    tested = np.empty(len(y), dtype=bool)
    tested[order] = _floor(place + 1, share) > _floor(place, share)
    tested &= np.isin(groups, groups[~tested])
    if not tested.any():
        raise DataError(
            f"A test share of {share} holds out no example: the largest of {len(sizes)} classes "
            f"has {sizes.max()}; raise test_share or add examples."
        )
    return tested


def _floor(counts: Indices, share: float) -> Indices:
    return (counts * share + 1e-9).astype(np.int64)  # 0.29 * 100 is 28.999999999999996
