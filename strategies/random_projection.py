"""Random projection by a sparse matrix.

Kane and Nelson, "Sparser Johnson-Lindenstrauss Transforms", Journal of the ACM 2014,
https://arxiv.org/abs/1012.1577; each of its parts is a count sketch: Charikar, Chen and
Farach-Colton, "Finding Frequent Items in Data Streams", ICALP 2002,
https://doi.org/10.1007/3-540-45465-9_59.
"""

import torch
from pydantic import PositiveInt
from torch import Tensor

from fedrobust.core.aggregator import PreAggregator, RoundInfo, State, Transformed

__all__ = ["RandomProjection"]

_COPIES = 4  # sums that a coordinate goes into (s in the paper); its root is exact
_BLOCKS = 16  # added up in the digits of an update before those of float64 have to hold the sum


class RandomProjection(PreAggregator):
    """Let the rule judge short random sketches of the updates, then apply its weights to these.

    For rules that compare all pairs of updates (`krum`, `geometric_median`), where clients are
    many: sketches are compared d / k times as fast.  With a hundred clients to make them takes
    longer than to compare the updates, with 800 a fifth of that.  Rules that look at coordinates
    cannot use them, and of updates that are nearly as good another one may be chosen.

    Coordinates get random signs and are added up into k / 4 sums, a count sketch; this is done four
    times.  A squared distance is right on average, with a relative standard deviation of at most
    sqrt(2 / k), that of a dense Gaussian projection, and so is off by a share epsilon or more with
    a probability of at most 2 / (k epsilon^2).

    Sketches are drawn after clients have sent, but an attacker can hope.  The same huge value in
    two coordinates shows nowhere if these meet with opposite signs each of the four times, which
    has a probability of (2 / k)^4: 1.5e-11 for k = 1024, 1e-6 for 64.  The rule may then choose an
    update of any length.  Two that cancel three times still show half of its length.

    Instead of hashing each coordinate, blocks of k / 4, each turned by a random number of places
    and with a random sign, are put on top of each other; no two coordinates meet with a probability
    of more than 4 / k, which is all that this needs.

    Cost: one pass over the updates, O(n d), with four additions a number, and d random signs.

    Fields:
        size: the length of a sketch (k), rounded up to a multiple of four; updates that are no
            longer are judged themselves.
    """

    size: PositiveInt = 1024

    def transform(self, updates: Tensor, state: State, info: RoundInfo) -> Transformed:
        n, d = updates.shape
        width = -(-self.size // _COPIES)
        if d <= _COPIES * width:
            return Transformed(updates, state, sketch=True)
        rings = updates.new_zeros(_COPIES, n, 2 * width, dtype=torch.float64)
        for part in torch.split(updates, _BLOCKS * width, dim=1):
            rings += _rings(part, width, info)
        sums = rings[..., :width] + rings[..., width:]
        sketch = sums.transpose(0, 1).reshape(n, _COPIES * width) / _COPIES**0.5
        return Transformed(sketch.to(updates.dtype), state, sketch=True)


def _rings(rows: Tensor, width: int, info: RoundInfo) -> Tensor:
    """Put the blocks of rows on top of each other: ``[copies, n, 2 width]``, halves to be added."""
    rings = rows.new_zeros(_COPIES, len(rows), 2 * width)
    blocks = torch.split(rows, width, dim=1)
    shape = (len(blocks), _COPIES)
    places = torch.randint(width, shape, generator=info.generator).tolist()
    signs = _signs(shape, info).tolist()
    for i, block in enumerate(blocks):
        signed = block * _signs(block.shape[1:], info).to(block)
        for ring, place, sign in zip(rings, places[i], signs[i], strict=True):
            ring[:, place : place + block.shape[1]].add_(signed, alpha=sign)
    return rings


def _signs(shape: tuple[int, ...], info: RoundInfo) -> Tensor:
    return 2 * torch.randint(2, shape, generator=info.generator) - 1
