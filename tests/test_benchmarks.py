"""The benchmarks' harness, on jobs that take no time: no peers, no Ray."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report
from benchmarks.harness import Measured, Pool, Side
from benchmarks.report import Claim, Section

JOBS = """
import os, time
import numpy as np

calls = []

def count(by):
    def run(**args):
        calls.append(by)
        return float(len(calls)), np.array([by])
    return run

def spin():
    def run(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass
    return run

def sleep(seconds):
    return lambda: time.sleep(seconds)

def prepared():
    return lambda: time.sleep(0.2), lambda ready: None

def crash():
    return lambda: os._exit(3)

def fail():
    raise ValueError("no luck")
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    Path(folder, "benchmark_jobs.py").write_text(JOBS, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.workers.ENVIRONMENT", {"PYTHONPATH": str(folder)})
        with Pool() as pool:
            yield pool


def side(name, job, calls=({},), units=(1,), **args):
    python = Path(sys.executable)
    return Side(name, "benchmark_jobs", job, args, calls, units, python=python)


def test_sides_take_turns(pool):
    """Two warm up, then a b, a b, a b: side a makes calls 3, 5, 7 of one process."""
    a, b = pool.measure([side("a", "count", by=1), side("b", "count", by=2)], times=3).values()

    assert [run["check"] for run in a.runs[0]] == [3, 5, 7]
    assert [run["check"] for run in b.runs[0]] == [4, 6, 8]
    assert (a.array.tolist(), b.array.tolist()) == ([1], [2])


def test_computing_and_waiting_are_told_apart(pool):
    spinning = side("spin", "spin", calls=({"seconds": 0.1},))

    results = pool.measure([spinning, side("sleep", "sleep", seconds=0.1)], times=3)

    assert results["spin"].cost("cpu") == pytest.approx(0.1, rel=0.3)
    assert results["sleep"].cost("cpu") < 0.05
    assert results["sleep"].cost("wall") >= 0.1
    assert results["sleep"].memory > 1e6


def test_two_calls_give_the_slope(pool):
    calls = ({"seconds": 0.05}, {"seconds": 0.15})

    spin = pool.measure([side("spin", "spin", calls, units=(10, 20))], times=3)["spin"]

    assert spin.cost("cpu") == pytest.approx(0.01, rel=0.3)


def test_preparation_does_not_count(pool):
    assert pool.measure([side("a", "prepared")], times=1)["a"].cost("wall") < 0.1


def test_a_slow_side_is_run_once(pool):
    slow, fast = pool.measure(
        [side("slow", "sleep", seconds=0.3), side("fast", "sleep", seconds=0.0)], seconds=0.1
    ).values()

    assert (len(slow.runs[0]), len(fast.runs[0])) == (1, 7)
    assert slow.cost("wall") >= 0.3


@pytest.mark.parametrize(
    ("job", "args", "said"),
    [
        ("crash", {}, "crashed (exit code 3)"),
        ("fail", {}, "ValueError: no luck"),
        ("sleep", {"seconds": 5}, "not done after 1 s"),
        ("missing", {}, "AttributeError: module 'benchmark_jobs' has no attribute 'missing'"),
    ],
)
def test_who_fails_stops_nobody_else(pool, job, args, said):
    bad, good = pool.measure(
        [side("bad", job, **args), side("good", "sleep", seconds=0.0)], times=2, limit=1
    ).values()

    assert bad.failure == said
    assert bad.cost() is None
    assert len(good.runs[0]) == 2


def test_an_environment_that_is_not_there_is_a_failure(pool):
    absent = Side("absent", "benchmark_jobs", "crash", python=report.PEERS.parent / "nowhere")

    assert pool.measure([absent])["absent"].failure == ".venv-peers/bin/nowhere does not exist"


def measured(name, seconds, failure=None):
    runs = [[{"cpu": seconds, "wall": 2 * seconds}]]
    return Measured(side(name, "count"), runs, failure, array=np.array([seconds]))


def test_a_table_compares_with_ours():
    results = {"fedrobust": measured("fedrobust", 0.002), "A": measured("A", 0.05)}
    results["B"] = measured("B", 1.0, "crashed (exit code 3)")

    columns, lines = report.rows(results)

    assert columns == ["system", "CPU ms", "wall ms", "times ours"]
    assert lines == [
        ["fedrobust", "2", "4", "1"],
        ["A", "50", "100", "25"],
        ["B", "crashed (exit code 3)", "-", "-"],
    ]


def test_the_page_keeps_what_was_not_run_again(tmp_path):
    results, page = tmp_path / "results.json", tmp_path / "page.md"
    claims = [Claim("fast", 12.34, 20), Claim("small", 0.5, 1, at_least=False, unit=" GB")]
    first = Section("First", "About.", ["a", "b"], [["1", "2"]], claims, raw={"cpu": 0.1})
    second = Section("Second", "About.", ["a"], [["3"]], [Claim("broken", None, 2)])

    report.write(results, page, {"second": second}, ["first", "second"])
    report.write(results, page, {"first": first}, ["first", "second"])

    text = page.read_text("utf-8")
    assert "Made by `make bench`" in text
    assert "| First | fast | 12.3x | at least 20x | **no** |" in text
    assert "| First | small | 0.5 GB | at most 1 GB | yes |" in text
    assert "| Second | broken | - | at least 2x | - |" in text
    assert "\n| a | b |\n| --- | --- |\n| 1 | 2 |\n" in text
    assert text.index("## First") < text.index("## Second")
