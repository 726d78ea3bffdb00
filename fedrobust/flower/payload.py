"""How many bytes of arrays travel, counted without serialising one."""

from functools import cache
from io import BytesIO
from math import prod

import numpy as np
from flwr.app import RecordDict

from fedrobust.core.layout import Layout
from fedrobust.flower.records import LazyArray

__all__ = ["content_bytes", "model_bytes"]


def content_bytes(content: RecordDict) -> int:
    """Return how many bytes the arrays of a message take, as Flower serialises them.

    Names, metrics and what the transport adds are not counted.
    """
    arrays = [array for record in content.array_records.values() for array in record.values()]
    return sum(
        _float32(array.shape) if isinstance(array, LazyArray) else len(array.data)
        for array in arrays
    )


def model_bytes(layout: Layout) -> int:
    """Return how many bytes the arrays of one model take."""
    return sum(_float32(tuple(shape)) for shape in layout.shapes.values())


@cache
def _float32(shape: tuple[int, ...]) -> int:
    """Return the size of a NumPy file, which is what Flower makes of an array."""
    header = BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    return len(header.getvalue()) + 4 * prod(shape)
