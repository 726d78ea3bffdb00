"""What was found, as a page."""

import re
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.conformance.absent import ABSENT
from benchmarks.conformance.cases import CASES, PEERS
from benchmarks.conformance.inputs import INPUTS
from benchmarks.conformance.systems import OURSELVES
from benchmarks.conformance.verdict import Outcome
from benchmarks.conformance.whys import WHYS, Why, why
from benchmarks.report import number, table

__all__ = ["covered", "page"]

HEAD = """# Conformance

Made by `python -m benchmarks.conformance`; do not edit.

Do the same rules give the same answers elsewhere, and who is right where they do not? Every rule
and step that ByzFL, ByzPy or Flower has in common with fedrobust was given the same updates in all
of them, with the same settings. Each answer was compared with the rule's definition in its paper,
written out in float64 with all distances and all subsets taken one by one
(`benchmarks/conformance/reference.py`). fedrobust has to be equal everywhere, every difference has
to have an explanation, and every explanation has to stand a test, or this page is not written.

Versions: {versions}.

## Rules

A row is a rule under one convention: where systems count differently, as Krum's neighbors, each is
compared with fedrobust set to the same. Peers' settings are theirs with the same f; what else is
set is in `benchmarks/conformance/cases.py`.

- **equal**: the definition's answer on all updates below, and in brackets the largest relative
  difference; float32 has about 7 digits. Where a definition leaves a choice, as between updates
  with equal scores, every answer it allows is right.
- *convention*: another definition, as good as ours.
- *rounding*: the right definition, whose digits are lost.
- *departure*: not what the paper defines.

The number with these is how many of the sets of updates it happens on.

"""
UPDATES = """
## Updates

In float32, with 50 coordinates unless said. A rule that cannot withstand f of n is given a lower f,
the same in all systems.

"""
WHY = """
## What differs, and why

Distances are the largest in any coordinate, beyond rounding of the answer to float32, in units of
the updates' spread: the median distance of a value from the median of its coordinate. For steps of
the server, which are run for three rounds, they are in units of the model's largest parameter.
An explanation names what the peer computes instead, and then that, done in float64, has to give the
peer's answers on every set of updates it is for; or it says that digits are lost, and then the peer
has to be right about the same updates moved to zero and scaled to 1.
"""
NAN = """
## One update of NaN

Eleven updates, the last of them all NaN, to a rule that expects malicious ones (f = 3, or as many
as it withstands). *Left out* is the definition's answer for the other ten, with f one lower.
fedrobust's server drops such updates before any rule and counts them as malicious. Rules of ByzFL
and ByzPy and strategies of Flower get what the client sent.

"""


def page(
    outcomes: Sequence[Outcome],
    with_nan: Mapping[str, Mapping[str, str]],
    versions: Sequence[str],
    stages: Sequence[str],
) -> str:
    """Return the page, in Markdown; `stages` are all components that act on the server."""
    inputs = "\n".join(f"- *{one.name}*: {one.about}." for one in INPUTS)
    parts = [
        HEAD.format(versions=", ".join(versions)),
        table(["rule", OURSELVES, *PEERS], [_line(case.title, outcomes) for case in CASES]),
        _summary(outcomes),
        UPDATES + inputs + "\n",
        WHY,
        *(_section(reason, outcomes) for reason in WHYS),
        NAN,
        table(["rule", OURSELVES, *PEERS], [_nan_line(*item) for item in with_nan.items()]),
        _seen(outcomes),
        _one_sided(stages),
    ]
    return "".join(parts)


def covered(names: Mapping[str, Sequence[str]]) -> list[str]:
    """Return which of the peers' rules are neither compared nor said to be absent."""
    compared = {(peer, part[0]) for case in CASES for peer, part in case.peers.items()}
    return [
        f"{peer} has {name}, which is neither compared nor said to be absent"
        for peer, found in names.items()
        for name in found
        if (peer, name) not in compared and (peer, name) not in ABSENT
    ]


def _of(outcomes: Sequence[Outcome], case: str, system: str) -> list[Outcome]:
    return [one for one in outcomes if (one.case, one.system) == (case, system)]


def _line(case: str, outcomes: Sequence[Outcome]) -> list[str]:
    cells = [_cell(_of(outcomes, case, system)) for system in (OURSELVES, *PEERS)]
    return [_code(case), *cells]


def _summary(outcomes: Sequence[Outcome]) -> str:
    parts = []
    for peer in PEERS:
        rows = [_of(outcomes, case.title, peer) for case in CASES if peer in case.peers]
        equal = sum(all(one.equal for one in row) for row in rows)
        parts.append(f"{peer} is equal in {equal} of {len(rows)} rows")
    return f"\n{', '.join(parts)}.\n"


def _cell(mine: Sequence[Outcome]) -> str:
    if not mine:
        return "-"
    if all(one.equal for one in mine):
        return f"equal ({max(one.relative for one in mine):.0e})".replace("0e+00", "0")
    counts: dict[Why, int] = {}
    for one in mine:
        if not one.equal and (reason := why(one.case, one.system, one.input)):
            counts[reason] = counts.get(reason, 0) + 1
    return "; ".join(
        f"[{reason.kind}](#{_anchor(reason.title)}), {count} of {len(mine)}"
        for reason, count in counts.items()
    )


def _section(reason: Why, outcomes: Sequence[Outcome]) -> str:
    lines = []
    for case, system in reason.proofs:
        named = [
            one
            for one in _of(outcomes, case, system)
            if not one.equal and why(case, system, one.input) is reason
        ]
        theirs = "; ".join(f"{one.input} {one.said or number(_two(one.away))}" for one in named)
        inputs = {one.input for one in named}
        ours = max(one.away for one in _of(outcomes, case, OURSELVES) if one.input in inputs)
        lines.append([_code(case), system, theirs, number(_two(ours))])
    columns = ["rule", "peer", "its distance from the definition, by updates", OURSELVES]
    about = f"*{reason.kind.capitalize()}.* {reason.text}"
    return f"\n### {reason.title}\n\n{about}\n\n{table(columns, lines)}"


def _two(value: float) -> float:
    """Return two significant digits."""
    return float(f"{value:.1e}")


def _nan_line(case: str, found: Mapping[str, str]) -> list[str]:
    return [_code(case), *(found.get(system, "-") for system in (OURSELVES, *PEERS))]


def _seen(outcomes: Sequence[Outcome]) -> str:
    changed = _pairs(one for one in outcomes if one.changed)
    varies = _pairs(one for one in outcomes if one.varies)
    return f"""
## What else was seen

- These change the tensor they are given: {changed}.
  ByzFL copies a list of tensors, and works on a tensor itself.
- These answer otherwise when they are asked again: {varies}.
  Steps that are random by definition do not count.
"""


def _pairs(outcomes: Iterable[Outcome]) -> str:
    found = dict.fromkeys(f"{_code(one.case)} of {one.system}" for one in outcomes)
    return ", ".join(found) or "none"


def _one_sided(stages: Sequence[str]) -> str:
    shared = {name for case in CASES for name, _ in case.ours}
    ours = ", ".join(f"`{name}`" for name in stages if name not in shared)
    theirs = "\n".join(f"- {peer}: `{name}` {text}" for (peer, name), text in ABSENT.items())
    return f"""
## On one side only

None of the three has these rules and steps, which only their own tests compare with their
definitions: {ours}.

These are elsewhere and have no counterpart here:

{theirs}
"""


def _code(title: str) -> str:
    """Return a case's title with the names of components in it as code."""
    names = {name for case in CASES for name, _ in case.ours}
    return re.sub(r"\w+", lambda word: f"`{word[0]}`" if word[0] in names else word[0], title)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
