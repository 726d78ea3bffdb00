"""A report's figures as CSV files, one figure a row, for spreadsheets and other programs."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

from fedrobust.report.clients import Clients
from fedrobust.report.content import Cell, Content, Figure

__all__ = ["csv_files"]

Row = list[Any]

_FORMULA = tuple("=+-@")  # what a spreadsheet might run begins so
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def csv_files(content: Content) -> dict[str, str]:
    """Return the text of each file, by its name.

    Labels that a spreadsheet would take for a formula have an apostrophe before them.  What is
    unknown is empty.  Only `costs.csv` holds what a rerun measures anew.
    """
    where = ["defense", "threat", *_axes(content)]
    figure = ["mean", "low", "high"]
    standing = ["defense", "place", "rank", "worst_threat"]
    shown = [f"{name}{end}" for name in _STANDING for end in ("", "_low", "_high")]
    files = {
        "cells": _text([*where, "seed", "run", "measure", "value"], _values(content)),
        "ranking": _text([*_axes(content), *standing, *shown, "noise"], _standings(content)),
        "curves": _text([*where, "curve", "round", *figure], _curves(content)),
        "clients": _text([*where, "run", *_CLIENT], _clients(content)),
        "costs": _text([*where, "phase", "seconds"], _costs(content)),
    }
    if any(cell.reputations for cell in content.cells):
        header = [*where, "run", "client", "role", "round", "reputation", "quota"]
        files["reputations"] = _text(header, _reputations(content))
    if any(cell.roc for cell in content.cells):
        files["detection"] = _text([*where, "run", "honest", "malicious"], _rocs(content))
    if content.tuning:
        tuned = [list(one.values) for one in (content.tuning[0], content.tuning[0].trials[0])]
        header = [axis for axes in tuned for axis in axes]
        files["tuning"] = _text([*header, "score", "chosen"], _trials(content))
    if content.changes is not None:
        header = [*where, "measure", "before", "after", "low", "high", "beyond_noise"]
        files["changes"] = _text(header, _changes(content))
    return {f"{name}.csv": text for name, text in files.items()}


_STANDING = ("clean", "price", "average", "worst")
_CLIENT = [field.name for field in fields(Clients)]


def _axes(content: Content) -> list[str]:
    return [axis.key for axis in content.axes if axis.role == "setting"]


def _where(content: Content, defense: int, threat: int, setting: int) -> Row:
    options = (content.defenses[defense], content.threats[threat])
    return [*(_plain(o.label) for o in options), *_setting(content, setting)]


def _at(content: Content, cell: Cell) -> Row:
    return _where(content, cell.defense, cell.threat, cell.setting)


def _setting(content: Content, setting: int) -> Row:
    return [_plain(content.settings[setting].values[axis]) for axis in _axes(content)]


def _values(content: Content) -> Iterator[Row]:
    for cell in content.cells:
        for measure, figure in cell.figures.items():
            # Which runs lack a figure is not told; where some do, values cannot be given to runs.
            known = len(cell.runs) == len(figure.each)
            runs: list[Row] = (
                [[r.seed, r.id] for r in cell.runs] if known else [["", ""]] * len(figure.each)
            )
            for run, value in zip(runs, figure.each, strict=True):
                yield [*_at(content, cell), *run, measure, value]


def _standings(content: Content) -> Iterator[Row]:
    for ranking in content.rankings:
        for place, s in enumerate(ranking.standings, start=1):
            threat = "" if s.worst_threat is None else content.threats[s.worst_threat].label
            figures = (_three(getattr(s, name)) for name in _STANDING)
            yield [
                *_setting(content, ranking.setting),
                _plain(content.defenses[s.defense].label),
                place,
                s.rank,
                _plain(threat),
                *(value for three in figures for value in three),
                s.noise,
            ]


def _three(figure: Figure | None) -> Row:
    return ["", "", ""] if figure is None else [figure.mean, figure.low, figure.high]


def _curves(content: Content) -> Iterator[Row]:
    for cell in content.cells:
        for name, band in cell.curves.items():
            for point in zip(band.rounds, band.mean, band.low, band.high, strict=True):
                yield [*_at(content, cell), name, *point]


def _clients(content: Content) -> Iterator[Row]:
    for cell in content.cells:
        if cell.clients is not None:
            told = replace(cell.clients, role=[_plain(role) for role in cell.clients.role])
            for row in zip(*(getattr(told, name) for name in _CLIENT), strict=True):
                yield [*_at(content, cell), cell.runs[0].id, *row]


def _reputations(content: Content) -> Iterator[Row]:
    for cell in content.cells:
        if cell.reputations is not None:
            r = cell.reputations
            for client, role, *lines in zip(r.client, r.role, r.reputation, r.quota, strict=True):
                who = [cell.runs[0].id, client, _plain(role)]
                for point in zip(r.rounds, *lines, strict=True):
                    yield [*_at(content, cell), *who, *point]


def _rocs(content: Content) -> Iterator[Row]:
    for cell in content.cells:
        if cell.roc is not None:
            for point in zip(cell.roc.honest, cell.roc.malicious, strict=True):
                yield [*_at(content, cell), cell.runs[0].id, *point]


def _costs(content: Content) -> Iterator[Row]:
    for cell, times in zip(content.cells, content.times, strict=True):
        for phase, seconds in sorted(times.items()):
            yield [*_at(content, cell), phase, seconds]


def _changes(content: Content) -> Iterator[Row]:
    for c in content.changes or []:
        where = _where(content, c.defense, c.threat, c.setting)
        yield [*where, c.measure, c.before, c.after, c.low, c.high, c.beyond_noise]


def _trials(content: Content) -> Iterator[Row]:
    for one in content.tuning:
        for trial in one.trials:
            labels = (*one.values.values(), *trial.values.values())
            yield [*map(_plain, labels), trial.score, trial.chosen]


def _plain(label: str) -> str:
    """Return a label as one line that no spreadsheet takes for a formula."""
    line = " ".join(label.split())
    return f"'{line}" if line[:1] in _FORMULA and not _NUMBER.fullmatch(line) else line


def _text(header: Iterable[str], rows: Iterable[Row]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_plain, header))
    writer.writerows(rows)
    return file.getvalue()
