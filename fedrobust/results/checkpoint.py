"""The full state of a run in one file, from which the run goes on bit-equally."""

import hashlib
import os
import pickle
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fedrobust.errors import ResultsError

__all__ = ["load", "model_hash", "save"]

KIND = "fedrobust checkpoint"
FORMAT = 1  # of the file, not of the state in it

State = dict[str, Any]  # nested dicts, lists and tuples of tensors, numbers, text and None


def save(path: Path, state: State) -> None:
    """Write `state` in place of what `path` holds; a reader sees the old state or the new one.

    Raises:
        ResultsError: if the file cannot be written, or the state holds what `load` would refuse.
    """
    held: Counter[int] = Counter()  # bytes of each storage that the state's tensors are made of
    for tensor in _tensors(state):
        held[tensor.untyped_storage().data_ptr()] += tensor.numel() * tensor.element_size()
    content = {"kind": KIND, "format": FORMAT, "state": _portable(state, "state", held)}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        raise ResultsError(f"Checkpoint {path} cannot be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)


def load(path: Path) -> State:
    """Return the state that `save` wrote; no code in the file is ever run.

    Raises:
        ResultsError: if there is no such file, it is damaged, or it is something else.
    """
    if not path.is_file():
        raise ResultsError(f"No checkpoint at {path}: start the run without --resume.")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip() is not None  # torch itself compares no checksums
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, f"cut short, or something else ({error})") from error
    if damaged:
        raise _unreadable(path, "damaged")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _unreadable(path, "of objects that could run code when loaded") from error
    except Exception as error:  # whatever a crafted file makes torch stumble over
        raise _unreadable(path, f"something else ({error})") from error
    if not isinstance(content, dict) or content.get("kind") != KIND or "state" not in content:
        raise _unreadable(path, "another program's file")
    if content["format"] != FORMAT:
        raise _unreadable(path, f"of format {content.get('format')}, not {FORMAT}")
    state: State = content["state"]
    return state


def model_hash(params: Tensor) -> str:
    """Return the SHA-256 of parameters ``[d]``, as little-endian float32 one after the other.

    Equal hashes mean bit-equal models; a NaN or a zero has more than one bit pattern.

    >>> model_hash(torch.zeros(1)) == hashlib.sha256(bytes(4)).hexdigest()
    True
    """
    numbers = params.detach().to("cpu", torch.float32).contiguous().numpy()
    return hashlib.sha256(numbers.astype("<f4", copy=False).data).hexdigest()


def _unreadable(path: Path, got: str) -> ResultsError:
    return ResultsError(
        f"A run resumes from a fedrobust checkpoint, and {path} is {got}; "
        "delete it and start the run without --resume."
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _portable(value: Any, where: str, held: Counter[int]) -> Any:
    """Return `value` with tensors on the CPU, and no storage larger than what is held of it.

    A row of a matrix would bring the whole matrix along.  But where all of its rows are there, as
    what a cohort remembers, the matrix is written once, in a fraction of the time.
    """
    if isinstance(value, Tensor):
        storage = value.untyped_storage()
        whole = held[storage.data_ptr()] >= storage.nbytes()
        return value.detach().cpu() if whole else value.detach().cpu().clone()
    if type(value) is dict:
        return {
            _portable(k, where, held): _portable(v, f"{where}.{k}", held) for k, v in value.items()
        }
    if type(value) in (list, tuple):
        return type(value)(_portable(v, f"{where}.{i}", held) for i, v in enumerate(value))
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ResultsError(
        "A checkpoint holds dicts, lists and tuples of tensors, numbers, text and None, "
        f"not {type(value).__name__} at {where}."
    )
