"""A process that runs jobs when it is told to, and answers what they took.

    python -m benchmarks.worker MODULE

A job is a function of MODULE that gets everything ready and returns ``run``, or a pair
``prepare, run`` where the time of ``prepare()`` does not count and ``run`` gets its result.
A run returns nothing, a number, an array, or a number and an array, to compare answers by.

It reads a JSON object a line and answers with one:

    {"make": "a", "job": "rule", "args": {...}}             gets a job ready and calls it "a"
    {"run": "a", "args": {...}, "save": PATH, "memory": 1}  runs it once; saves the array, if any
    {"drop": "a"}                                           forgets it
"""

import gc
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

_TICKS = os.sysconf("SC_CLK_TCK")


def tree() -> list[int]:
    """Return the ids of this process and of all its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(stat.parent.name)] = int(after_name[1])
    found = [os.getpid()]
    for process in found:  # grows while it is walked
        found += [child for child, parent in parents.items() if parent == process]
    return found


def cpu_of_children() -> float:
    """Return the seconds that descendants, living and dead, have computed."""
    ended = os.times()
    seconds = ended.children_user + ended.children_system
    for process in tree()[1:]:
        try:
            after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds += sum(map(int, after_name[11:15])) / _TICKS
    return seconds


def memory() -> int:
    """Return the bytes that this process and its descendants hold.

    Private pages of all of them, and the shared pages of that which has most: pages they share,
    such as libraries, count once, whoever else on the machine maps them, too.
    """
    private, shared = 0, 0
    for process in tree():
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        size = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        private += size["Private_Clean"] + size["Private_Dirty"]
        shared = max(shared, size["Shared_Clean"] + size["Shared_Dirty"])
    return private + shared


def timed(job: Any, args: dict[str, Any]) -> tuple[dict[str, float], Any]:
    """Run a job once; return what it took and what it returned."""
    prepare, run = job if isinstance(job, tuple) else (None, job)
    first = () if prepare is None else (prepare(),)
    children, wall, cpu = cpu_of_children(), time.perf_counter(), time.process_time()
    value = run(*first, **args)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu + cpu_of_children() - children, "wall": wall}, value


def answer(module: Any, jobs: dict[str, Callable[..., Any]], request: dict[str, Any]) -> Any:
    """Do what one request asks."""
    if key := request.get("make"):
        jobs[key] = getattr(module, request["job"])(**request["args"])
        return {}
    if key := request.get("drop"):
        jobs.pop(key, None)
        gc.collect()
        return {}
    took, value = timed(jobs[request["run"]], request["args"])
    if request.get("memory"):
        took["memory"] = memory()
    for part in value if isinstance(value, tuple) else (value,):
        if isinstance(part, int | float):
            took["check"] = float(part)
        elif part is not None and request.get("save"):
            np.save(request["save"], np.asarray(part))
    return took


def serve(requests: TextIO, answers: TextIO, module: str) -> None:
    """Answer requests until there are none."""
    jobs: dict[str, Callable[..., Any]] = {}
    for line in requests:
        try:
            said = answer(importlib.import_module(module), jobs, json.loads(line))
        except Exception as error:
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            said = {"error": words.replace("|", "/")[:120]}
        print(json.dumps(said), file=answers, flush=True)


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a peer prints must not be taken for an answer
    logging.disable(logging.WARNING)
    serve(sys.stdin, pipe, sys.argv[1])
    os._exit(0)  # some peers leave threads that would keep this process
