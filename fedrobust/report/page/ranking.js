// Which defenses are best over all attacks.

function ranking() {
  const here = rankingHere();
  const body = here
    ? [rankingTable(here), criticalDifference(here)]
    : paragraph("No defense can be ranked yet.");
  const words =
    "Worst case, average and rank are over all attacks of the study, whatever is filtered above. " +
    "Brackets hold 95\u202f% confidence intervals.";
  return section("ranking", "Ranking", paragraph(words), body);
}

function rankingTable({ standings }) {
  const shown = standings.filter(({ defense }) => !state.hiddenDefenses.has(defense));
  const share = (name, title, explain, first = "descending") => ({
    name,
    title,
    explain,
    first,
    value: (row) => row[name]?.mean ?? null,
    cell: (row) => withInterval(row[name]),
  });
  return sortableTable({
    name: "standings",
    caption: "Defenses by what they hold under the worst attack",
    redraw: "ranking",
    initial: "worst:descending",
    kind: "full",
    rows: shown,
    columns: [
      defenseColumn(),
      share("worst", "Worst case", "Score under the worst attack of each seed"),
      {
        name: "under",
        title: "Under",
        explain: "The attack under which the score is lowest on average",
        first: "ascending",
        value: (row) => (row.worst_threat == null ? null : threatName(row.worst_threat)),
        cell: (row) => (row.worst_threat == null ? NONE : threatName(row.worst_threat)),
      },
      share("average", "Average", "Mean score over all attacks"),
      share("clean", "Nobody attacks", "Accuracy while nobody attacks"),
      share("price", "Price", "Accuracy lost to the undefended while nobody attacks", "ascending"),
      {
        name: "rank",
        title: "Mean rank",
        explain: "Mean over attacks of the place among all defenses; 1 is best",
        first: "ascending",
        value: (row) => row.rank,
        cell: (row) => (row.rank == null ? NONE : row.rank.toFixed(2)),
      },
    ],
  });
}

function withInterval(figure) {
  if (!figure) return NONE;
  const range = between(figure, "share");
  return [
    element("span", { class: "mean" }, long(figure.mean, "share")),
    range && element("span", { class: "interval" }, ` [${range}]`),
  ];
}
