"""Which way of training is the fastest here: tried once for each kind of work, and remembered."""

from collections.abc import Callable
from time import perf_counter, process_time

import torch

from fedrobust.core.behavior import HOOKS
from fedrobust.core.engine import Engine, TrainerName
from fedrobust.core.trainers import loop, pool, stacked, vectorized
from fedrobust.core.trainers.job import Job, Trained
from fedrobust.errors import ConfigError

__all__ = ["REMEMBERED", "Planner"]

_TRAINERS: dict[TrainerName, Callable[[Job], Trained]] = {  # the first of equals is taken
    "stacked": stacked.descend,
    "vmap": vectorized.descend,
    "loop": loop.descend,
}
_FEW = 8  # clients who try a trainer first
_LONG = 0.05  # seconds: a step of a few clients that takes longer says enough
_EQUAL = 0.97  # a trainer further down the list has to be faster than that
_TRIES = 3  # of a short job: the least is what it takes, the rest is what else the machine did
_WORTH_FORKING = 0.2  # seconds of a round that may make up for new processes


REMEMBERED: dict[str, TrainerName] = {}  # kind of work: the fastest trainer, in this process


class Planner:
    """A trainer that picks the fastest of those that can do a job.

    What is fastest may differ from machine to machine and from hour to hour, and results with it
    by the order of sums.  So what was found once is remembered by the process, and what a run uses
    is in `choices`, which it keeps with its checkpoint.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.choices: dict[str, TrainerName] = {}  # kind of work: trainer
        self._seconds: dict[tuple[str, int], float] = {}  # a step took: kind of work, processes
        self._proven: set[str] = set()  # kinds of work that were done in this process

    def __call__(self, job: Job) -> Trained:
        """Train a job's clients.

        Raises:
            ConfigError: if the engine's trainer cannot do it.
        """
        kind, able, wanted = _kind(job), _able(job), self.engine.trainer
        if wanted == "auto":
            name = self._chosen(kind, job, [n for n, why_not in able.items() if why_not is None])
            self.choices[kind] = name
        elif (why_not := able[wanted]) is None:
            name = wanted
        else:
            raise ConfigError(
                f'engine.trainer: "{wanted}" cannot train {_described(job)}: {why_not}; set '
                'trainer = "auto".'
            )
        return self._loop(job, kind) if name == "loop" else _TRAINERS[name](job)

    def _chosen(self, kind: str, job: Job, names: list[TrainerName]) -> TrainerName:
        name = self.choices.get(kind) or REMEMBERED.get(kind)
        if name in names and (kind in self._proven or _works(_TRAINERS[name], job)):
            self._proven.add(kind)
            return name
        REMEMBERED[kind] = _fastest(job, names)
        self._proven.add(kind)
        return REMEMBERED[kind]

    def _loop(self, job: Job, kind: str) -> Trained:
        """Train client by client, in several processes if a long round gains from that.

        Cores may be halves of one, or taken: a second process is worth it where it has shown so.
        """
        processes = min(self.engine.cores(), len(job.start))
        if processes == 1:
            return loop.descend(job)
        alone, shared = self._seconds.get((kind, 1)), self._seconds.get((kind, processes))
        fork = self.engine.processes != "auto"
        if torch.get_num_threads() > 1:
            fork = False  # forked processes have one thread, which takes sums in another order
        elif alone is not None and alone * int(job.plan.steps.sum()) > _WORTH_FORKING:
            fork = fork or shared is None or shared < alone
        start = perf_counter()
        used = processes if fork else 1
        trained = pool.descend(job, loop.descend, used) if fork else loop.descend(job)
        spent = (perf_counter() - start) / int(job.plan.steps.sum())
        self._seconds.setdefault((kind, used), spent)
        return trained


def _able(job: Job) -> dict[TrainerName, str | None]:
    """Return why each trainer cannot do a job; None if it can."""
    hook = next((b.reference() for b in job.behaviors if not b.vectorized), None)
    slow = None if hook is None else f"{hook} has to be run client by client"
    changed = [h for h in ("loss", "gradient") if job.overrides(h)]
    model = stacked.stacked_model(job.task)
    why_not = slow or (f"a behavior changes the {changed[0]}" if changed else None)
    if why_not is None and isinstance(model, str):
        why_not = f"its model cannot be stacked: {model}"
    return {"stacked": why_not, "vmap": slow, "loop": None}


def _works(trainer: Callable[[Job], Trained], job: Job) -> bool:
    try:
        trainer(job.rehearsal(steps=1, clients=2))
    except RuntimeError:  # vmap's, for control flow that depends on data
        return False
    return True


def _fastest(job: Job, names: list[TrainerName]) -> TrainerName:
    if job.example_clip is not None and "stacked" in names:
        return "stacked"  # the others make the gradient of each example
    best, least = names[-1], float("inf")
    for name in names if len(names) > 1 else []:
        if name != "loop" and not _works(_TRAINERS[name], job):
            continue  # vmap cannot run control flow that depends on data, for one
        cost = _cost(_TRAINERS[name], job)
        if cost < _EQUAL * least:
            best, least = name, cost
    return best


def _cost(trainer: Callable[[Job], Trained], job: Job) -> float:
    """Return the CPU seconds of a client's step."""
    few = job.rehearsal(steps=1, clients=_FEW)
    trainer(few)
    spent = _timed(trainer, few)
    if spent > _LONG:
        return spent / len(few.start)
    trainer(job.rehearsal(steps=2))
    tries = [_timed(trainer, job.rehearsal(steps=2)) for _ in range(_TRIES)]
    return min(tries) / int(job.plan.first(2).steps.sum())


def _timed(trainer: Callable[[Job], Trained], job: Job) -> float:
    alone = job.start.device.type == "cpu" and torch.get_num_threads() == 1
    clock = process_time if alone else perf_counter  # the former does not see other processes
    start = clock()
    trainer(job)
    if job.start.device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def _kind(job: Job) -> str:
    """Name what decides which trainer is the fastest: model, batch, cohort, hooks, machine."""
    size = 1 << (len(job.start) - 1).bit_length()  # a few clients more change nothing
    parts = [
        str(job.task.model),
        list(job.task.data.x.shape[1:]),
        job.plan.size,
        size,
        bool(job.training.momentum),
        [b.reference() for b in job.behaviors],
        [hook for hook in HOOKS if job.overrides(hook)],
        job.example_clip is not None,
        job.start.device.type,
        torch.get_num_threads(),
        torch.__version__,
    ]
    return "|".join(" ".join(str(part).split()) for part in parts)


def _described(job: Job) -> str:
    names = [b.reference() for b in job.behaviors]
    return f"clients with {' and '.join(names)}" if names else "these clients"
