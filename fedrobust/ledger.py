"""What a defense did to each client of a run, as tables for people."""

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fedrobust.errors import ConfigError
from fedrobust.results.detection import RoleReport, judged, report
from fedrobust.results.places import locate
from fedrobust.results.reputations import removals
from fedrobust.results.rows import RunRow
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["show_ledger"]

_PAGE = 150  # characters a line, where it is no terminal that says
_MOST = 40  # clients listed; the others fared like most


def show_ledger(run: str, client: int | None, results: Path) -> None:
    """Print what became of each role and of each client, or of one client in each round.

    Raises:
        ConfigError: if there is no such run, or no such client in it.
    """
    width = None if Console().is_terminal else _PAGE
    console = Console(soft_wrap=True, highlight=False, width=width)
    folder, id = locate(run, results)
    with Store(folder, create=False) as store:
        found = store.run(id) if id else next(iter(reversed(store.runs())), None)
        if found is None:
            raise ConfigError(f"{folder} holds no run yet; `fedrobust simulate` makes one.")
        rule = Scenario.parse(dict(found.scenario)).rule.rule
        rows = judged(store, found.id, trust=rule.scores_trust)
        done = rows["round"].nunique()
        told = f"{done} of {found.rounds} rounds, {found.status}"
        console.print(f"Run {found.id} {found.name}: {rule.reference()}, {told}")
        if not done:
            return
        if client is not None:
            console.print(_one(store, found, client, rows))
            return
        console.print(_roles(report(rows)))
        removed = removals(store, found.id, rule) if rule.keeps_reputations else None
        clients, left = _clients(store, found, rows, rule.reference(), removed)
        console.print(clients)
        if left and rows.excluded.notna().any():
            console.print(f"{left} more honest clients were never left out.")
        console.print(_legend(rows, removed is not None), highlight=False)


def _roles(reports: list[RoleReport]) -> Table:
    table = _table("role", "clients", "updates", "lost", "malformed", "left out", "weight")
    _add(table, "reward", "fair", "AUC", "found after")
    for role in reports:
        hostile = role.role != "honest"
        table.add_row(
            role.role,
            *map(str, (role.clients, role.updates, role.lost, role.malformed)),
            _percent(role.excluded),
            _number(role.relative_weight),
            _percent(role.reward),
            _percent(role.fair_share),
            _percent(role.auc) if hostile else "",
            _after(role) if hostile else "",
        )
    return table


def _after(role: RoleReport) -> str:
    if role.excluded is None:
        return "-"
    found = role.updates_to_detection
    return "never" if found is None else "at once" if found == 1 else f"{found:.0f} updates"


def _clients(
    store: Store, run: RunRow, rows: "DataFrame", rule: str, removed: dict[int, int] | None
) -> tuple[Table, int]:
    """Return a table of the clients that something happened to, and how many are left.

    Args:
        store: where the run is.
        run: which.
        rows: as `judged` returns them.
        rule: what the rule is called.
        removed: in which round clients were; None if the rule removes nobody.
    """
    held = _largest(store, run)
    table = _table("client", "role", "updates", "lost", "malformed", "left out", "first in round")
    _add(table, *([] if removed is None else ["removed in round"]))
    _add(table, "suspicion", "holds mostly", "why")
    grouped = [(int(str(c)), own) for c, own in rows.groupby("client")]
    marked = [
        (c, own)
        for c, own in grouped
        if (own.role != "honest").any()
        or own.excluded.any()
        or own.malformed.any()
        or c in (removed or {})
    ]
    marked.sort(key=lambda pair: (-pair[1].excluded.astype(float).mean(), pair[0]))
    for c, own in marked[:_MOST]:
        out = own[own.excluded.fillna(value=False)]
        roles = [role for role in own.role.unique() if role != "honest"]
        table.add_row(
            str(c),
            ", ".join(map(str, roles)) or "honest",
            *map(str, (len(own), int(own.lost.sum()), int(own.malformed.sum()))),
            _percent(None if own.excluded.isna().all() else own.excluded.astype(float).mean()),
            str(out["round"].min()) if len(out) else "-",
            *([] if removed is None else [str(removed.get(c, "-"))]),
            _percent(own.suspicion.median()),
            held.get(c, ""),
            _why(own, rule),
        )
    quiet = len(grouped) - min(len(marked), _MOST)
    return table, quiet


def _why(own: "DataFrame", rule: str) -> str:
    """Return what kept updates of a client out, and what befell others on the way."""
    told = [f"by {rule}"] if (own.weight == 0).any() else []
    told += own.fault[own.malformed].unique().tolist()
    lost = own[own.lost]
    reasons = lost.note.where(lost.note.notna(), lost.fault)
    return "; ".join([*told, *reasons.str.removesuffix(" (simulated)").unique()[:1]])


def _one(store: Store, run: RunRow, client: int, rows: "DataFrame") -> Table:
    own = rows[rows.client == client].sort_values("round")
    if not len(own):
        raise ConfigError(
            f"No client {client} in run {run.id}; it asked {rows.client.nunique()} clients, from "
            f"{rows.client.min()} to {rows.client.max()}."
        )
    table = _table("round", "role", "norm", "cosine", "weight", "score", "suspicion")
    _add(table, "what became of it")
    for _, row in own.iterrows():
        told = {True: "left out", False: "counted"}.get(row.excluded, "not judged")
        became = row.fault if isinstance(row.fault, str) else told
        table.add_row(
            str(row["round"]),
            row.role,
            *map(_number, (row.norm, row.cosine, row.weight, row.score)),
            _percent(row.suspicion),
            f"{became}{f' ({row.note})' if isinstance(row.note, str) else ''}",
        )
    return table


def _largest(store: Store, run: RunRow) -> dict[int, str]:
    """Return the class of which each client holds most, and how much of what it holds that is."""
    held: dict[int, list[tuple[int, int]]] = {}
    query = "SELECT client, class, examples FROM holdings WHERE run = ?"
    for client, label, examples in store.connection.execute(query, (run.id,)):
        held.setdefault(client, []).append((examples, label))
    return {
        client: f"{max(own)[1]} ({max(own)[0] / sum(n for n, _ in own):.0%})"
        for client, own in held.items()
    }


def _legend(rows: "DataFrame", removes: bool) -> str:
    by = "weight" if rows.score.isna().all() else "score"
    return (
        "left out: how often an update counted for nothing.  weight: of an update, where an honest "
        "one counts 1.  reward: the share of all weight; fair: of all updates.  suspicion: which "
        f"share of a round is less suspect, by the rule's {by}; AUC: how often an honest update "
        "is.  found after: how many updates the median client sent until one was left out."
        f"{'  removed: its reputation is zero since then.' if removes else ''}"
    )


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    _add(table, *titles)
    return table


def _add(table: Table, *titles: str) -> None:
    for title in titles:
        text = title in ("role", "holds mostly", "why", "what became of it")
        wraps = title in ("why", "what became of it")
        table.add_column(title, justify="left" if text else "right", no_wrap=not wraps)


def _percent(share: float | None) -> str:
    return "-" if share is None or isnan(share) else f"{share:.0%}"


def _number(value: float | None) -> str:
    return "-" if value is None or isnan(value) else f"{value:.3g}"
