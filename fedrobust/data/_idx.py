"""The IDX format: MNIST's arrays of bytes."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fedrobust.errors import DataError

__all__ = ["Bytes", "read"]

Bytes = npt.NDArray[np.uint8]

_UNSIGNED_BYTE = 0x08


def read(path: Path, dimensions: int) -> Bytes:
    """Return the array in a gzipped IDX file of unsigned bytes.

    Raises:
        DataError: if the file is none, has other dimensions, or is cut short.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"Cannot read {str(path)!r}: {error}.") from error
    start = 4 + 4 * dimensions
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if content[:4] != magic or len(content) < start:
        raise DataError(
            f"{str(path)!r} needs to begin with {magic.hex()}, as an IDX file of bytes in "
            f"{dimensions} dimensions does, not with {content[:4].hex() or 'nothing'}."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{str(path)!r} needs {math.prod(shape)} bytes for its shape {list(shape)}, not "
            f"{len(content) - start}."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
