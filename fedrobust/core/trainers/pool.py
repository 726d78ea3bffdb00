"""Share the clients of a job among processes, which write into one matrix."""

import mmap
import multiprocessing
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

import numpy as np
import torch
from torch import Tensor

from fedrobust.core.behavior import Memory
from fedrobust.core.trainers.job import Job, Trained
from fedrobust.errors import FedRobustError

__all__ = ["descend"]


def descend(job: Job, trainer: Callable[[Job], Trained], processes: int) -> Trained:
    """Return what `trainer` returns, computed by several processes of one thread each.

    They are forked for this job alone, which takes milliseconds, and end with it: none is left
    behind when a run is interrupted or killed.

    Raises:
        FedRobustError: if a process dies.
    """
    n, d = job.start.shape
    shared = mmap.mmap(-1, max(4 * n * d, 1))  # freed with the last tensor that lies in it
    updates = torch.frombuffer(shared, dtype=torch.float32).view(n, d)
    context = multiprocessing.get_context("fork")  # a child finds the job in its memory
    parts = [range(i, n, processes) for i in range(processes)]  # long and short ones for each
    workers: list[tuple[ForkProcess, Connection]] = []
    try:
        for part in parts:
            here, there = context.Pipe(duplex=False)
            readers = [*(reader for _, reader in workers), here]
            arguments = (job, trainer, list(part), updates, there, readers)
            worker = context.Process(target=_work, args=arguments, daemon=True)
            worker.start()
            there.close()
            workers.append((worker, here))
        memories = [_received(here) for _, here in workers]
    finally:
        for worker, here in workers:
            here.close()
            worker.terminate()
            worker.join()
    return updates, _merged(memories, parts, n)


def _work(
    job: Job,
    trainer: Callable[[Job], Trained],
    places: list[int],
    updates: Tensor,
    pipe: Connection,
    readers: list[Connection],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process if it has to
    torch.set_num_threads(1)  # a forked process must not meet the parent's threads again
    for reader in readers:
        reader.close()  # or this process would wait for ever for a parent that is gone
    try:
        rows, memory = trainer(job.part(places))
        updates[torch.tensor(places)] = rows
        pipe.send([{name: t.numpy() for name, t in part.items()} for part in memory])
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # of a kind that cannot travel
            error = FedRobustError(f"Training failed with {type(error).__name__}: {error}")
        with suppress(BrokenPipeError):  # nobody is there any more
            pipe.send(error)


def _received(pipe: Connection) -> list[dict[str, np.ndarray]]:
    try:
        result = pipe.recv()
    except EOFError as error:
        raise FedRobustError(
            "A process that trained clients died, most likely for want of memory; set "
            "engine.processes to a smaller number, or to 1."
        ) from error
    if isinstance(result, Exception):
        raise result
    return result  # type: ignore[no-any-return]


def _merged(
    memories: list[list[dict[str, np.ndarray]]], parts: list[range], n: int
) -> list[Memory]:
    merged: list[Memory] = []
    for behavior in range(len(memories[0])):
        each = [memory[behavior] for memory in memories]
        kept: Memory = {}
        for name, sample in each[0].items():
            whole = torch.from_numpy(np.empty((n, *sample.shape[1:]), sample.dtype))
            for part, one in zip(parts, each, strict=True):
                whole[torch.tensor(part)] = torch.from_numpy(one[name])
            kept[name] = whole
        merged.append(kept)
    return merged
