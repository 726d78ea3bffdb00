"""Data that are in memory already."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fedrobust.core.task import Data
from fedrobust.errors import DataError

__all__ = ["from_arrays"]

Array = npt.ArrayLike | Tensor


def from_arrays(
    x: Array,
    y: Array,
    x_test: Array,
    y_test: Array,
    *,
    num_classes: int | None = None,
    groups: Array | None = None,
) -> Data:
    """Return a data set made of copies of numpy arrays, tensors, or nested lists.

    Args:
        x: ``[N, ...]`` training inputs, of floating-point numbers; images are
            ``[N, channels, height, width]``.
        y: ``[N]`` integer labels from 0.
        x_test: ``[M, ...]`` test inputs.
        y_test: ``[M]`` test labels.
        num_classes: how many classes; one more than the largest label by default.
        groups: ``[N]`` whose each training example is: numbers or names.

    Raises:
        DataError: if shapes, types or labels do not fit together.
    """
    inputs, test_inputs = _inputs("x", x), _inputs("x_test", x_test)
    labels, test_labels = _labels("y", y, inputs), _labels("y_test", y_test, test_inputs)
    if inputs.shape[1:] != test_inputs.shape[1:]:
        raise DataError(
            f"x_test needs examples of shape {list(inputs.shape[1:])} as x has, not "
            f"{list(test_inputs.shape[1:])}."
        )
    largest = int(max(labels.max(), test_labels.max()))
    classes = largest + 1 if num_classes is None else num_classes
    if largest >= classes:
        raise DataError(
            f"Labels need to be from 0 to num_classes - 1 = {classes - 1}, not {largest}."
        )
    owners = None if groups is None else _groups(groups, len(inputs))
    return Data(inputs, labels, test_inputs, test_labels, classes, owners)


def _inputs(name: str, array: Array) -> Tensor:
    tensor = _tensor(name, array)
    if not tensor.is_floating_point():
        raise DataError(
            f"{name} needs floating-point numbers, not {_kind(tensor)}; convert them, and "
            f"scale them: {name}.astype('float32') / 255 for bytes of an image."
        )
    if tensor.ndim < 2 or tensor.numel() == 0:
        raise DataError(
            f"{name} needs a shape [N, ...] with examples and features, not {list(tensor.shape)}."
        )
    tensor = tensor.to(torch.float32)
    bad = int((~tensor.isfinite().flatten(1).all(dim=1)).sum())
    if bad:
        raise DataError(
            f"{name} needs finite float32 numbers; {bad} of {len(tensor)} examples have others."
        )
    return tensor


def _labels(name: str, array: Array, inputs: Tensor) -> Tensor:
    tensor = _tensor(name, array)
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise DataError(f"{name} needs integer labels, not {_kind(tensor)}.")
    if tensor.shape != inputs.shape[:1]:
        raise DataError(
            f"{name} needs one label for each of {len(inputs)} examples, shape "
            f"[{len(inputs)}], not {list(tensor.shape)}."
        )
    tensor = tensor.to(torch.int64)
    if tensor.min() < 0:
        raise DataError(f"{name} needs labels from 0, not {int(tensor.min())}.")
    return tensor


def _groups(array: Array, size: int) -> Tensor:
    names = np.asarray(array.cpu() if isinstance(array, Tensor) else array)
    if names.shape != (size,):
        raise DataError(
            f"groups needs one group for each of {size} training examples, shape [{size}], not "
            f"{list(names.shape)}."
        )
    _, codes = np.unique(names, return_inverse=True)
    return torch.from_numpy(codes.astype(np.int64))


def _tensor(name: str, array: Array) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach().to("cpu", copy=True)
    try:
        return torch.from_numpy(np.array(array))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} needs to be an array of numbers: {error}.") from error


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
