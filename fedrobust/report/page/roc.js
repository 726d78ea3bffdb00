// How each rule's suspicions set malicious updates apart, without any threshold.

function detection() {
  if (!content.cells.some((cell) => cell.roc)) return null;
  const threats = shownThreats().filter((threat) => suspecting(threat).length);
  if (!threats.length) {
    return section("detection", "Detection", paragraph("No rule shown judges clients."));
  }
  const drawn = shownDefenses().filter((d) => threats.some((t) => cellAt(d, t)?.roc));
  const words =
    "Whoever flags the most suspect updates of each round, few or many, flags so many of the " +
    "malicious ones at the cost of so many honest ones. A line along the top left is best; the " +
    "dotted one is chance.";
  return section(
    "detection",
    "Detection",
    paragraph(words),
    key(drawn),
    element("div", { class: "panels" }, threats.map(rocUnder)),
  );
}

function suspecting(threat) {
  return shownDefenses().map((d) => cellAt(d, threat)).filter((cell) => cell?.roc);
}

function rocUnder(threat) {
  return rocFigure(suspecting(threat), `roc-${threat}`, `Detection ${underThreat(threat)}`);
}

function rocFigure(cells, id, title, level = "h3") {
  return figure({
    id,
    level,
    title,
    caption: `${areasInWords(cells)} ${firstSeedsInWords(cells)}`.trim(),
    height: 340,
    draw: () => rocPlot(cells),
    table: () => ({
      head: ["Defense", "Honest updates flagged", "Malicious updates flagged"],
      rows: cells.flatMap(({ defense, roc }) =>
        roc.honest.map((share, i) => [defenseName(defense), share, roc.malicious[i]]),
      ),
    }),
  });
}

// Means over seeds, while lines are of the first of them.
function areasInWords(cells) {
  const known = cells.filter((cell) => figureOf(cell, "auc"));
  if (!known.length) return "";
  const area = (cell) => figureOf(cell, "auc").mean;
  const [high, low] = [Math.max, Math.min].map((end) => long(end(...known.map(area)), "share"));
  const name = (wanted) =>
    listed(known.filter((cell) => long(area(cell), "share") === wanted).map((cell) => defenseName(cell.defense)));
  const seeds = Math.max(...known.map((cell) => figureOf(cell, "auc").each.length));
  const mean = `Area under the curve${seeds > 1 ? `, mean of ${seeds} seeds` : ""}: `;
  return mean + (high === low ? `${high} of ${name(high)}.` : `${high} of ${name(high)}, down to ${low} of ${name(low)}.`);
}

function firstSeedsInWords(cells) {
  const seeds = [...new Set(cells.map(({ runs }) => runs[0].seed))].toSorted((a, b) => a - b);
  return `Lines are of seed ${listed(seeds.map(String))}.`;
}

function rocPlot(cells) {
  const chance = {
    x: [0, 1],
    y: [0, 1],
    mode: "lines",
    line: { color: colour("rule"), dash: "dot" },
    hoverinfo: "skip",
  };
  const lines = cells.map(({ defense, roc }) => {
    const { colour: own, dash, symbol } = look(defense);
    return {
      x: roc.honest,
      y: roc.malicious,
      mode: "lines+markers",
      line: { color: own, width: 2, dash },
      marker: { color: own, symbol, size: 6, maxdisplayed: 8 },
      text: roc.honest.map((share, i) =>
        literal(
          `${defenseName(defense)}: ${long(roc.malicious[i], "share")} of malicious updates ` +
            `flagged, and ${long(share, "share")} of honest ones`,
        ),
      ),
      hovertemplate: "%{text}<extra></extra>",
      cliponaxis: false,
    };
  });
  const axis = (text) => ({ ...percent(0, 1), title: { text }, range: [0, 1] });
  const layout = {
    xaxis: axis("honest updates flagged"),
    yaxis: axis("malicious updates flagged"),
    margin: { l: 60, r: 24, t: 8, b: 44 },
    hovermode: "closest",
  };
  return { data: [chance, ...lines], layout };
}
