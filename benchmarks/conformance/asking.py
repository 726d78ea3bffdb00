"""Give all systems the same updates, and measure their answers by the definitions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.conformance import ours
from benchmarks.conformance.cases import PEERS, Case, resolved
from benchmarks.conformance.inputs import INPUTS, WITH_NAN, Input
from benchmarks.conformance.systems import NOTHING, OURSELVES, Systems
from benchmarks.conformance.verdict import Outcome, distance, of_nan, relative, spread
from benchmarks.conformance.whys import Proof, why

__all__ = ["allowed", "ask_all", "ask_with_nan", "disproofs", "measured"]

Definition = Callable[..., Any]


def ask_all(systems: Systems, cases: Sequence[Case]) -> list[Outcome]:
    """Ask everyone everything; a rule that needs more updates than an input has is not asked."""
    return [
        measured(systems, case, system, one)
        for case in cases
        for one in INPUTS
        if allowed(case, one) is not None
        for system in (OURSELVES, *(peer for peer in PEERS if peer in case.peers))
    ]


def allowed(case: Case, one: Input) -> int | None:
    """Return f, lower than the input's if a rule needs that; None if it has too few updates."""
    radius = _radius(one.rounds)
    parts = [(name, resolved(fields, one.n, one.f, radius)) for name, fields in case.ours]
    bounds = [ours.bound(name, fields) for name, fields in parts]
    f = min((one.f, *((one.n - b) // a for a, b in bounds)))
    return None if f < 0 else f


def _radius(rounds: np.ndarray) -> float:
    """Return the median norm of the updates that are numbers."""
    return float(np.nanmedian(np.linalg.norm(rounds[0].astype(float), axis=1)))


def measured(systems: Systems, case: Case, system: str, one: Input) -> Outcome:
    """Return what a system made of an input."""
    rounds, f = one.rounds[: case.rounds], allowed(case, one) or 0
    args = arguments(case, system, one.n, f, _radius(rounds))
    (values, said, changed), *again = systems.ask(system, args, rounds)
    if values is None:
        return Outcome(system, case.title, one.name, np.inf, np.inf, said, changed)
    right = exact(case, case.exact, rounds, f, values)
    return Outcome(
        system,
        case.title,
        one.name,
        distance(values, right, _unit(case, rounds, right)),
        relative(values, right),
        said,
        changed,
        not case.draws and any(_differ(values, other) for other, *_ in again),
        values,
    )


def _differ(values: np.ndarray, others: np.ndarray | None) -> bool:
    return others is None or not np.array_equal(values, others)


def _unit(case: Case, rounds: np.ndarray, right: Any) -> float:
    """Return what distances are counted in: the spread of updates, or the model's size."""
    return float(np.abs(right).max()) if case.moves else spread(rounds.astype(float))


def arguments(case: Case, system: str, n: int, f: int, radius: float) -> dict[str, Any]:
    """Return what a system's job is called with."""
    examples = {"examples": list(range(1, n + 1))} if case.claims else {}
    if system == OURSELVES:
        parts = [{"name": k, "fields": resolved(v, n, f, radius)} for k, v in case.ours]
        return {"parts": parts, "f": f, "moves": case.moves} | examples
    name, fields = case.peers[system]
    return {"name": name, "fields": resolved(fields, n, f, radius)} | examples


def exact(case: Case, by: Definition, rounds: np.ndarray, f: int, answer: Any) -> Any:
    """Return the answer of a definition: the case's, or an alternative to it."""
    fields: Mapping[str, Any] = {} if by is not case.exact and not case.remembers else case.fields
    given = resolved(fields, rounds.shape[1], f, _radius(rounds))
    if case.draws:
        given["answer"] = answer
    precise = rounds.astype(float)
    return by(precise if case.remembers else precise[0], f, **given)


def ask_with_nan(systems: Systems, case: Case) -> dict[str, str]:
    """Return what one update of NaN leads to, for each system that has the rule."""
    rounds, f = WITH_NAN.rounds[: case.rounds], allowed(case, WITH_NAN) or 0
    others = rounds[:, :-1]
    found = {}
    for system in (OURSELVES, *(peer for peer in PEERS if peer in case.peers)):
        args = arguments(case, system, WITH_NAN.n, f, _radius(rounds))
        values, said, _ = systems.ask(system, args, rounds, times=1)[0]
        right: Any = np.array(np.nan)
        if values is not None and not np.isnan(values).any():
            right = exact(case, case.exact, others, max(0, f - 1), values)
        unit = _unit(case, others, right) if values is not None else 1.0
        found[system] = of_nan(values, said, right, unit)
    return found


def disproofs(systems: Systems, cases: Sequence[Case], outcomes: Sequence[Outcome]) -> list[str]:
    """Return where an explanation does not hold, on any input that it is for."""
    found, titled = [], {case.title: case for case in cases}
    for one in outcomes:
        reason = why(one.case, one.system, one.input)
        if reason is None:
            continue
        given = next(updates for updates in INPUTS if updates.name == one.input)
        proof, case = reason.proofs[one.case, one.system], titled[one.case]
        if one.equal and (proof.moved or proof.inputs is not None):
            continue
        if not _holds(systems, proof, case, one, given):
            where = f"{one.case} of {one.system} on {one.input!r}"
            found.append(f"{reason.title!r} does not explain {where}")
    return found


def _holds(systems: Systems, proof: Proof, case: Case, one: Outcome, given: Input) -> bool:
    if proof.silent:
        return one.said == NOTHING
    by = proof.as_if or case.exact
    if not proof.moved:
        return _agrees(case, by, one, given)
    moved = _moved(given)
    there = measured(systems, case, one.system, moved)
    return _agrees(case, by, there, moved) and not _agrees(case, by, one, given)


def _agrees(case: Case, by: Definition, one: Outcome, given: Input) -> bool:
    if one.values is None:
        return False
    rounds = given.rounds[: case.rounds]
    right = exact(case, by, rounds, allowed(case, given) or 0, one.values)
    return replace(one, away=distance(one.values, right, _unit(case, rounds, right))).equal


def _moved(one: Input) -> Input:
    """Return the same updates around zero, of size 1."""
    rounds = one.rounds.astype(float)
    rounds -= rounds.mean(1, keepdims=True)
    return replace(one, rounds=(rounds / spread(rounds)).astype(np.float32))
