"""Models in Flower's records and as flat vectors, with nothing copied that need not be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from flwr.app import Array, ArrayRecord, RecordDict
from torch import Tensor

from fedrobust.core.admission import Fault, fault_of_arrays
from fedrobust.core.layout import Layout
from fedrobust.flower import touchpoints

__all__ = [
    "Form",
    "LazyArray",
    "ModelRecord",
    "claim_of",
    "from_tensors",
    "only_model",
    "refill",
    "to_tensors",
    "update_matrix",
]


class LazyArray(Array):
    """An `Array` whose bytes are made only for those who ask; `numpy()` returns a copy."""

    def __init__(self, tensor: Callable[[], Tensor], shape: Sequence[int]) -> None:
        self.__dict__.update(_tensor=tensor)
        self.dtype, self.shape, self.stype = "float32", tuple(shape), touchpoints.NUMPY

    @property
    def tensor(self) -> Tensor:
        """The values, shared, not to be written to."""
        made: Tensor = self.__dict__["_tensor"]()
        return made

    def numpy(self) -> npt.NDArray[Any]:
        return self.tensor.detach().cpu().numpy().copy()

    @property
    def data(self) -> bytes:  # type: ignore[override]
        """The values as Flower serialises them."""
        return Array(self.numpy()).data

    def deflate(self) -> bytes:
        return Array(self.numpy()).deflate()  # Flower writes the name of the class on the wire

    def __reduce__(self) -> tuple[Any, ...]:
        return Array, (self.numpy(),)


class ModelRecord(ArrayRecord):
    """A model as start ``[d]`` plus update, which may be a row of a cohort's matrix ``[n, d]``.

    To anyone who looks it is the `ArrayRecord` of that model; to us it is the vector itself.
    """

    def __init__(
        self, layout: Layout, start: Tensor, matrix: Tensor | None = None, row: int = 0
    ) -> None:
        super().__init__()
        self.layout, self.start, self.matrix, self.row = layout, start, matrix, row
        self._arrays: dict[str, Array] = {}
        begin = 0
        for name, shape in layout.shapes.items():
            piece = self._piece(slice(begin, begin + shape.numel()), shape)
            self._arrays[name] = LazyArray(piece, shape)
            touchpoints.put_array(self, name, self._arrays[name])
            begin += shape.numel()

    def _piece(self, where: slice, shape: torch.Size) -> Callable[[], Tensor]:
        start, matrix, row = self.start, self.matrix, self.row
        if matrix is None:
            return lambda: start[where].view(shape)
        return lambda: (start[where] + matrix[row, where]).view(shape)

    @property
    def untouched(self) -> bool:
        """Whether nobody has replaced an array of this record."""
        return touchpoints.is_untouched(self, self._arrays)

    def copy(self) -> "ModelRecord":
        """Return a record of the same model, for someone who may change it."""
        return ModelRecord(self.layout, self.start, self.matrix, self.row)

    def deflate(self) -> bytes:
        return _plain_record({name: array.numpy() for name, array in self.items()}).deflate()

    def __reduce__(self) -> tuple[Any, ...]:
        return _plain_record, ({name: array.numpy() for name, array in self.items()},)


class Form(NamedTuple):
    """What the arrays of a model look like, and which of them are learned.

    Only float arrays are averaged; others, such as a counter of batches, keep the server's value.
    """

    expected: dict[str, tuple[tuple[int, ...], str]]  # name: shape, dtype
    layout: Layout  # of the float arrays
    constants: dict[str, Array]

    @classmethod
    def of(cls, record: ArrayRecord) -> Self:
        """Return the form of the server's own model."""
        expected = {name: (tuple(a.shape), a.dtype) for name, a in record.items()}
        learned = {n: torch.Size(shape) for n, (shape, t) in expected.items() if "float" in t}
        constants = {name: a for name, a in record.items() if name not in learned}
        return cls(expected, Layout(learned), constants)

    def vector(self, record: ArrayRecord) -> Tensor:
        """Return the learned arrays of a record as one float32 vector ``[d]``."""
        if isinstance(record, ModelRecord) and record.untouched and record.matrix is None:
            return record.start
        return self.layout.flatten({n: _tensor(record[n]) for n in self.layout.shapes}).float()

    def record(self, vector: Tensor) -> ArrayRecord:
        """Return the record of a model ``[d]``."""
        if not self.constants and all(t == "float32" for _, t in self.expected.values()):
            return ModelRecord(self.layout, vector)
        arrays, record = self.layout.unflatten(vector), ArrayRecord()
        for name, (_, dtype) in self.expected.items():
            learned = name in arrays
            record[name] = (
                Array(arrays[name].cpu().numpy().astype(dtype)) if learned else self.constants[name]
            )
        return record

    def fault(self, record: ArrayRecord) -> Fault | None:
        """Say what keeps a client's record from being read as such a model."""
        if isinstance(record, ModelRecord) and record.untouched:
            return None  # made in this process from the server's own layout
        seen = {name: (tuple(array.shape), array.dtype) for name, array in record.items()}
        if fault := fault_of_arrays(seen, self.expected):
            return fault
        try:  # the header of a payload may differ from what the array says of itself
            read = {n: record[n].numpy() for n in self.expected}
        except Exception:
            return Fault.UNREADABLE
        return fault_of_arrays({n: (a.shape, str(a.dtype)) for n, a in read.items()}, self.expected)


def only_model(content: RecordDict) -> ArrayRecord | None:
    """Return the one ArrayRecord of a message; None if there is not exactly one."""
    models = [record for record in content.values() if isinstance(record, ArrayRecord)]
    return models[0] if len(models) == 1 else None


def claim_of(content: RecordDict, key: str) -> object:
    """Return what a message says in a metric, such as how many examples there are; None if not."""
    return next((r[key] for r in content.metric_records.values() if key in r), None)


def update_matrix(records: Sequence[ArrayRecord], starts: Sequence[Tensor], form: Form) -> Tensor:
    """Return ``[n, d]`` updates, one row a record; without a copy if all are rows of one matrix.

    Args:
        records: n models that have the form.
        starts: ``[d]`` the model each client was sent.
        form: of the models.
    """
    rows = [_row(record, start) for record, start in zip(records, starts, strict=True)]
    matrices = [matrix for matrix, _ in rows]
    matrix = matrices[0] if matrices else None
    if matrix is not None and all(m is matrix for m in matrices):
        places = [place for _, place in rows]
        return matrix if places == list(range(len(matrix))) else matrix[torch.tensor(places)]
    return torch.stack([form.vector(r) - start for r, start in zip(records, starts, strict=True)])


def to_tensors(record: ArrayRecord) -> dict[str, Tensor]:
    """Return the arrays of a record as tensors, not to be written to."""
    return {name: _tensor(array) for name, array in record.items()}


def from_tensors(tensors: Mapping[str, Tensor]) -> ArrayRecord:
    """Return a record of tensors, which are serialised only for those who ask."""
    record = ArrayRecord()
    for name, tensor in tensors.items():
        touchpoints.put_array(record, name, LazyArray(_constant(tensor), tensor.shape))
    return record


def refill(record: ArrayRecord, tensors: Mapping[str, Tensor]) -> bool:
    """Put other tensors into a record that `from_tensors` made; False if it holds other arrays."""
    arrays = dict(record.items())
    lazy = all(isinstance(array, LazyArray) for array in arrays.values())
    if not lazy or {n: tuple(t.shape) for n, t in tensors.items()} != {
        n: a.shape for n, a in arrays.items()
    }:
        return False
    for name, array in arrays.items():
        array.__dict__["_tensor"] = _constant(tensors[name])
    return True


def _constant(tensor: Tensor) -> Callable[[], Tensor]:
    return lambda: tensor


def _tensor(array: Array) -> Tensor:
    return array.tensor if isinstance(array, LazyArray) else torch.from_numpy(array.numpy())


def _row(record: ArrayRecord, start: Tensor) -> tuple[Tensor | None, int]:
    if isinstance(record, ModelRecord) and record.untouched and record.start is start:
        return record.matrix, record.row
    return None, 0


def _plain_record(arrays: dict[str, npt.NDArray[np.generic]]) -> ArrayRecord:
    return ArrayRecord({name: Array(values) for name, values in arrays.items()})
