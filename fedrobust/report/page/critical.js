// A critical-difference diagram: which mean ranks differ beyond chance (Demsar, JMLR 7, 2006).

function criticalDifference({ standings, attacks, critical, groups, p }) {
  const all = standings.filter(({ rank }) => rank != null).toSorted((a, b) => a.rank - b.rank);
  const ranked = all.filter(({ defense }) => !state.hiddenDefenses.has(defense));
  if (all.length < 3 || attacks < 2 || critical == null) {
    const words =
      "No critical difference can be drawn: it takes 3 ranked defenses and 2 attacks. " +
      `There are ${all.length} and ${attacks}.`;
    return paragraph(words);
  }
  if (!ranked.length) return null;
  const even = p == null ? "" : ` That all rank alike has p = ${digits(p)} (Friedman).`;
  const words =
    `Ranks over ${count(attacks, "attack")}, 1 is best. A thick bar joins defenses whose ranks ` +
    `do not differ beyond chance: by less than ${digits(critical)} (Nemenyi, 5\u202f%).${even}`;
  const bars = groups
    .map((group) => ranked.filter(({ defense }) => group.includes(defense)))
    .filter((members) => members.length > 1);
  return figure({
    id: "critical",
    title: "Critical difference",
    caption: words,
    height: 84 + 30 * (ranked.length + 1),
    draw: () => criticalPlot(ranked, bars, critical, all.length),
    table: () => criticalData(ranked, bars),
  });
}

// Rows from the top: the length of the critical difference, then the defenses, best first.
function criticalPlot(ranked, bars, critical, worst) {
  const row = new Map(ranked.map(({ defense }, i) => [defense, i + 1]));
  const line = (xs, y, width, text) => ({
    x: xs,
    y: [y, y],
    mode: "lines",
    line: { color: colour("muted"), width },
    text: [text, text],
    hovertemplate: "%{text}<extra></extra>",
  });
  const joined = bars.map((members) => {
    const xs = [members[0].rank, members.at(-1).rank];
    const names = members.map(({ defense }) => defenseName(defense));
    return line(xs, row.get(members[0].defense), 6, literal(`No difference: ${listed(names)}`));
  });
  const names = ["critical difference", ...ranked.map(({ defense }) => defenseName(defense))];
  const looks = ranked.map(({ defense }) => look(defense));
  const dots = {
    x: ranked.map(({ rank }) => rank),
    y: ranked.map(({ defense }) => row.get(defense)),
    mode: "markers",
    marker: {
      size: 12,
      color: looks.map((one) => one.colour),
      symbol: looks.map((one) => one.symbol),
      line: { width: 1, color: colour("paper") },
    },
    text: ranked.map(({ defense, rank }) => literal(`${defenseName(defense)}: ${rank.toFixed(2)}`)),
    hovertemplate: "%{text}<extra></extra>",
  };
  const length = line([1, 1 + critical], 0, 2, digits(critical));
  const layout = {
    xaxis: {
      title: { text: "mean rank" },
      range: [0.7, Math.max(worst, 1 + critical) + 0.3],
      dtick: 1,
      side: "top",
    },
    yaxis: { ...categories(names), range: [ranked.length + 0.6, -0.6], zeroline: false },
    margin: { l: 48, r: 12, t: 56, b: 12 },
  };
  return { data: [length, ...joined, dots], layout };
}

function criticalData(ranked, bars) {
  const others = (standing) => {
    const beside = bars.filter((members) => members.includes(standing)).flat();
    const names = new Set(beside.map(({ defense }) => defenseName(defense)));
    names.delete(defenseName(standing.defense));
    return [...names].join("; ");
  };
  return {
    head: ["Defense", "Mean rank", "Not told apart from"],
    rows: ranked.map((one) => [defenseName(one.defense), one.rank, others(one)]),
  };
}
