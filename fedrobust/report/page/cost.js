// What defenses cost: seconds and bytes of a round.

const PHASES = 6; // colours in the style sheet
const RULE = "aggregate"; // the phase that is the rule's own
const ROUGH =
  "Medians over rounds, runs and the threats that are shown, on one thread while other runs " +
  "shared the machine: a rough guide.";

function cost() {
  const rows = shownDefenses().map(costOf).filter(({ total }) => total > 0);
  if (!rows.length) return section("cost", "Cost", paragraph("No seconds were measured."));
  const names = [...new Set(rows.flatMap(({ seconds }) => Object.keys(seconds)))];
  const height = 90 + 34 * rows.length;
  const rule = figure({
    id: "rule-seconds",
    title: "The rule",
    caption: "Seconds of a round that the server takes to aggregate, on a scale of its own.",
    height,
    draw: () => costPlot(rows, names, [RULE]),
    table: () => costData(rows, [RULE]),
  });
  const whole = figure({
    id: "seconds",
    title: "The whole round",
    caption: "Seconds of a round by phase, all clients together.",
    height,
    draw: () => costPlot(rows, names, names),
    table: () => costData(rows, names),
  });
  return section(
    "cost",
    "Cost",
    paragraph(ROUGH),
    swatches("Phases", names, (phase) => `phase-${phase % PHASES}`),
    element("div", { class: "panels" }, names.includes(RULE) && rule, whole),
    costTable(rows),
  );
}

function costOf(defense) {
  const cells = shownThreats().map((threat) => cellAt(defense, threat)).filter(Boolean);
  const timed = cells.map(phases).filter((one) => Object.keys(one).length);
  const names = [...new Set(timed.flatMap(Object.keys))];
  const seconds = Object.fromEntries(
    names.map((name) => [name, median(timed.map((one) => one[name] ?? 0))]),
  );
  const bytes = cells.map((cell) => figureOf(cell, "bytes")?.mean).filter((mean) => mean != null);
  const total = sum(Object.values(seconds));
  return { defense, seconds, rule: seconds[RULE] ?? null, total, bytes: average(bytes) };
}

function costData(rows, names) {
  const own = ({ defense, seconds }) => [
    defenseName(defense),
    ...names.map((name) => seconds[name] ?? null),
  ];
  return { head: ["Defense", ...names.map((name) => `${name}, s`)], rows: rows.map(own) };
}

// Some phases, each in the colour of its place among all.
function costPlot(rows, all, names) {
  const data = names.map((name) => ({
    type: "bar",
    orientation: "h",
    x: rows.map(({ seconds }) => seconds[name] ?? 0),
    y: places(rows),
    marker: {
      color: colour(`phase-${all.indexOf(name) % PHASES}`),
      line: { color: colour("paper"), width: 1 },
    },
    text: rows.map(({ seconds: of }) => literal(`${name}: ${seconds(of[name] ?? 0)}`)),
    textposition: "none",
    hovertemplate: "%{text}<extra></extra>",
  }));
  const labels = rows.map(({ defense }) => defenseName(defense));
  const layout = {
    barmode: "stack",
    xaxis: { title: { text: "seconds a round" }, nticks: 5 },
    yaxis: { ...categories(labels), autorange: "reversed", showgrid: false },
    margin: { l: 60, r: 12, t: 8, b: 44 },
    bargap: 0.35,
  };
  return { data, layout };
}

function costTable(rows) {
  const column = (name, title, unit) => ({
    name,
    title,
    first: "ascending",
    value: (row) => row[name],
    cell: (row) => short(row[name], unit),
  });
  return sortableTable({
    name: "costs",
    caption: "Seconds and bytes of a round",
    columns: [
      defenseColumn(),
      column("rule", "To aggregate", "seconds"),
      column("total", "Whole round", "seconds"),
      column("bytes", "Bytes", "bytes"),
    ],
    rows,
    initial: "rule:ascending",
    redraw: "cost",
  });
}
