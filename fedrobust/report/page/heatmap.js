// Defenses against threats: a table whose colours are its numbers.

function heatmap() {
  const measures = measuresWithFigures();
  if (!measures.length) return section("heatmap", "Every cell", paragraph("No run is done yet."));
  const measure = measureCalled(state.measure);
  const options = measures.map(({ key, title }) => [key, title]);
  const act = (key) => choose({ measure: key }, "heatmap");
  const [low, high] = rangeOf(measure);
  const better = { higher: "Higher is better.", lower: "Lower is better.", "": "" }[measure.better];
  const caption = `${measure.title} of each defense (rows) under each threat (columns)`;
  return section(
    "heatmap",
    "Every cell",
    element(
      "div",
      { class: "controls" },
      select("measure", "Measure", options, measure.key, act),
      legend(low, high, measure.unit, measure.better),
    ),
    paragraph(`${measure.explain} ${better} ${numbersIn(measure)}`),
    heatTable(measure, caption, (value) => shareOf(value, low, high, measure.better)),
    paragraph("A cell opens its runs and curves. Arrow keys move between cells.", "hint"),
  );
}

function numbersIn({ key, unit }) {
  const words = unit === "share" ? "Numbers are percentages" : "Numbers are means over seeds";
  const marks =
    key === "score"
      ? " Bold: the best of all defenses under that threat, whatever is filtered; underlined: not " +
        "told apart from it."
      : "";
  const some = content.cells.some(({ state }) => state === "partly");
  const stars = some ? " *: some seeds are missing." : "";
  return `${words}; \u00b1 is half a 95\u202f% confidence interval.${marks}${stars}`;
}

// Over all settings, so that the same colour is the same number in each.
function rangeOf({ key, unit }) {
  if (unit === "share") return [0, 1];
  const means = content.cells.map((cell) => figureOf(cell, key)?.mean).filter((m) => m != null);
  return [Math.min(...means), Math.max(...means)];
}

function shareOf(value, low, high, better) {
  const share = high > low ? (value - low) / (high - low) : 0.5;
  return better === "lower" ? 1 - share : share;
}

function heatTable(measure, caption, colourAt) {
  const best = measure.key === "score" ? bestUnder() : new Map();
  const columns = [
    {
      name: "defense",
      title: "Defense",
      first: "ascending",
      head: true,
      value: (defense) => defense,
      cell: signed,
    },
    ...(attacks().length && measure.better ? [worstColumn(measure, colourAt)] : []),
    ...shownThreats().map((threat) => ({
      name: `threat${threat}`,
      title: threatName(threat),
      first: measure.better === "lower" ? "ascending" : "descending",
      value: (defense) => figureOf(cellAt(defense, threat), measure.key)?.mean ?? null,
      cell: (defense) =>
        heatCell(defense, threat, measure, colourAt, markOf(defense, best.get(threat))),
    })),
  ];
  const box = sortableTable({
    name: "heat",
    caption,
    columns,
    rows: shownDefenses(),
    initial: "defense:ascending",
    redraw: "heatmap",
    kind: "heat full",
  });
  box.addEventListener("keydown", moveBetweenCells);
  box.querySelector("button.cell")?.setAttribute("tabindex", "0");
  paintScale(box);
  return box;
}

function bestUnder() {
  const here = content.headlines.filter(({ setting }) => setting === state.setting);
  return new Map(here.map(({ threat, best }) => [threat, best]));
}

// The best comes first, then those that tie with it.
function markOf(defense, best = []) {
  const at = best.indexOf(defense);
  return at < 0 ? null : at ? "tied" : "best";
}

// The ranking knows the worst case of each seed; of other measures there are only means.
function worstColumn(measure, colourAt) {
  const standing = (defense) => rankingHere()?.standings.find((s) => s.defense === defense);
  const known = (defense) => {
    if (measure.key !== "score") return worstOf(defense, measure.key);
    const { worst: figure, worst_threat: threat } = standing(defense) ?? {};
    return figure ? { figure, threat } : null;
  };
  const cell = (defense) => {
    const worst = known(defense);
    if (!worst) {
      const why = whyNoWorst(defense, measure.key);
      return element("td", { class: "worst", title: why }, NONE, spoken(` ${why}`));
    }
    const title = worst.threat == null ? null : `under ${threatName(worst.threat)}`;
    return element(
      "td",
      { class: "worst", "data-share": colourAt(worst.figure.mean), title },
      numbers(worst.figure, measure.unit),
    );
  };
  const value = (defense) => known(defense)?.figure.mean ?? null;
  const first = measure.better === "lower" ? "ascending" : "descending";
  const explain = "The worst over all attacks with such a figure, whatever is filtered";
  return { name: "worst", title: "worst case", explain, first, value, cell };
}

function whyNoWorst(defense, measure) {
  const reasons = Map.groupBy(attacksWith(measure), (t) => whyNot(defense, t, measure));
  reasons.delete("");
  const said = [...reasons].map(([why, under]) => `${listed(under.map(threatName))}: ${why}`);
  return said.join(" ") || "No attack has such a figure.";
}

function numbers(figure, unit) {
  const interval = half(figure, unit);
  return [
    element("span", { class: "mean" }, short(figure.mean, unit)),
    interval && element("span", { class: "half" }, interval),
  ];
}

function heatCell(defense, threat, measure, colourAt, mark) {
  const cell = cellAt(defense, threat);
  const why = whyNot(defense, threat, measure.key);
  if (!cell) return element("td", { class: "none", title: why }, spoken(why));
  const figure = figureOf(cell, measure.key);
  const words = { undefined: "not defined", missing: "missing" }[cell.state] ?? NONE;
  const title = cellName(cell);
  const button = element(
    "button",
    {
      type: "button",
      id: `cell-${defense}-${threat}`,
      class: "cell",
      tabindex: "-1",
      title: why ? `${title}: ${why}` : title,
      "aria-haspopup": "dialog",
      click: () => openDetails(cell),
    },
    figure ? numbers(figure, measure.unit) : element("span", { class: "gap" }, words),
    cell.state === "partly" && element("span", { "aria-hidden": "true" }, "*"),
    mark && spoken(` ${mark}`),
    why && spoken(` ${why}`),
  );
  const kind = figure ? mark : "none";
  const share = figure ? colourAt(figure.mean) : null;
  return element("td", { class: kind, "data-share": share }, button);
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// One cell takes part in the order of Tab; arrows move on from it.
function moveBetweenCells(event) {
  const step = STEPS[event.key];
  if (!step || !event.target.matches("button.cell")) return;
  event.preventDefault();
  const here = event.target.closest("td");
  const row = here.parentElement.rowIndex + step[0];
  const line = here.closest("table").rows[row];
  const next = line?.cells[here.cellIndex + step[1]]?.querySelector("button.cell");
  if (!next) return;
  event.target.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}
