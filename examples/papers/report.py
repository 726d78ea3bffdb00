"""Write docs/papers.md from what the runs came to, beside what the papers' authors measured."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from examples.papers import grid, published, reputation
from examples.papers.bucketing import RULES as BUCKETING_RULES
from examples.papers.learning_from_history import RULES

__all__ = ["document", "write"]

PAGE = Path(__file__).parents[2] / "docs" / "papers.md"
TEXT = Path(__file__).with_name("papers.template.md")
BETAS = (0.0, 0.9, 0.99)
Rows = Iterable[Mapping[str, Any]]


def write() -> None:
    """Write the page."""
    PAGE.write_text(document(), "utf-8")


def document() -> str:
    """Return the page: the template, with each ``{table}`` filled in."""
    text = TEXT.read_text("utf-8")
    for name, table in TABLES.items():
        text = text.replace("{" + name + "}", table())
    return text


def _grouped(rows: Rows, *labels: str) -> dict[Hashable, str]:
    """Return ``mean ± sd`` in percent over seeds, by labels."""
    found: dict[Hashable, list[float]] = {}
    for row in rows:
        key = tuple(row[label] for label in labels)
        found.setdefault(key, []).append(100 * row["accuracy"])
    return {
        key: f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"
        for key, values in found.items()
    }


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    head = list(head)
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _beside(ours: str | None, theirs: float | None) -> str:
    told = "" if theirs is None else f" ({theirs:g})"
    return f"{ours or 'not run'}{told}"


def momentum() -> str:
    ours = _grouped(grid.read("momentum"), "attack", "rule", "beta")
    attacks = list(dict.fromkeys(attack for attack, _, _ in published.MOMENTUM))
    lines = []
    for attack in attacks:
        for rule in ["mean"] if attack == "none" else RULES:
            keys = [(attack, rule, beta) for beta in BETAS]
            cells = [_beside(ours.get(key), published.MOMENTUM.get(key)) for key in keys]
            lines.append([attack, f"`{rule}`", *cells])
    return _table(["attack", "rule", *(f"beta = {beta:g}" for beta in BETAS)], lines)


def _with_mnist(table: str, made: Callable[[str], str]) -> str:
    """Return a table, and the same of MNIST where that is on record."""
    if not grid.read(f"{table}_mnist"):
        return made(table)
    return f"{made(table)}\n\nOn MNIST, as theirs:\n\n{made(f'{table}_mnist')}"


def _splits(table: str, theirs: Mapping[tuple[str, str, int], float]) -> str:
    ours = _grouped(grid.read(table), "rule", "split", "s")
    columns = [(split, s) for s in (1, 2) for split in ("iid", "non-iid")]
    lines = [
        [f"`{rule}`", *(_beside(ours.get((rule, *c)), theirs.get((rule, *c))) for c in columns)]
        for rule in BUCKETING_RULES
    ]
    return _table(["rule", *(f"{split}, s = {s}" for split, s in columns)], lines)


def krum_label_flip(table: str) -> str:
    ours = _grouped(grid.read(table), "s")
    cells = [
        _beside(ours.get((s,)), published.KRUM_LABEL_FLIP["krum", "non-iid", s]) for s in (1, 2, 3)
    ]
    return _table(["rule", "s = 1", "s = 2", "s = 3"], [["`krum`", *cells]])


def radius(table: str) -> str:
    ours = _grouped(grid.read(table), "attack", "radius")
    attacks = list(dict.fromkeys(attack for attack, _ in published.RADIUS))
    scalings = {"none": "10", "sqrt": "10 / sqrt(1 - beta)", "linear": "10 / (1 - beta)"}
    lines = [
        [attack, *(_beside(ours.get((attack, s)), published.RADIUS[attack, s]) for s in scalings)]
        for attack in attacks
    ]
    return _table(["attack", *(f"radius {text}" for text in scalings.values())], lines)


def coins() -> str:
    rows = grid.read("coins")
    found = {(row["rule"], row["n"]): row["error"] for row in rows}
    rules, sizes = (list(dict.fromkeys(row[key] for row in rows)) for key in ("rule", "n"))
    lines = [[f"`{rule}`", *(f"{found[rule, n]:.4f}" for n in sizes)] for rule in rules]
    return _table(["rule", *(f"n = {n}" for n in sizes)], lines)


def quadratic() -> str:
    rows = grid.read("quadratic")
    found = {(row["z"], row["rule"], row["beta"]): row["loss"] for row in rows}
    lines = []
    for z, rule in dict.fromkeys((row["z"], row["rule"]) for row in rows):
        known = published.QUADRATIC.get((z, rule), (None,) * 3)
        cells = [
            f"{found[z, rule, beta]:.4f}" + ("" if value is None else f" ({value:g})")
            for beta, value in zip(BETAS, known, strict=True)
        ]
        lines.append([f"{z:g}", f"`{rule}`", *cells])
    return _table(["z", "rule", *(f"beta = {beta:g}" for beta in BETAS)], lines)


def kappas() -> str:
    def line(row: Mapping[str, Any]) -> list[str]:
        name = "`nearest_neighbor_mixing` + " * row["mixed"] + f"`{row['rule']}`"
        proven = "not known" if row["proven"] is None else f"{row['proven']:.1f}"
        return [name, f"{row['over_variance']:.2f}", proven, f"{row['over_eigenvalue']:.2f}"]

    head = ["defense", "worst error / variance", "proven", "worst error / largest eigenvalue"]
    return _table(head, map(line, grid.read("kappas")))


def eigenvalues() -> str:
    lines = [[f"`{row['rule']}`", f"{row['error']:.2f}"] for row in grid.read("eigenvalues")]
    return _table(["rule", "squared error"], lines)


TABLES: dict[str, Callable[[], str]] = {
    "momentum": momentum,
    "radius": lambda: _with_mnist("radius", radius),
    "mimic": lambda: _with_mnist("mimic", lambda t: _splits(t, published.MIMIC)),
    "long_tail": lambda: _with_mnist("long_tail", lambda t: _splits(t, published.LONG_TAIL)),
    "krum_label_flip": lambda: _with_mnist("krum_label_flip", krum_label_flip),
    "coins": coins,
    "quadratic": quadratic,
    "kappas": kappas,
    "eigenvalues": eigenvalues,
    **reputation.TABLES,
}
