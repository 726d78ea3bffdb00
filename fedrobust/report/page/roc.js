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
    caption: `${areasInWords(cells)} ${seedInWords(cells[0])}`,
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

// Of all seeds, while lines are of one.
function areasInWords(cells) {
  const known = cells.filter((cell) => figureOf(cell, "auc"));
  const area = (cell) => figureOf(cell, "auc").mean;
  const say = (cell) => `${defenseName(cell.defense)} (${long(area(cell), "share")})`;
  if (!known.length) return "";
  if (known.length === 1) return `Area under the curve over all seeds: ${say(known[0])}.`;
  const ordered = known.toSorted((a, b) => area(b) - area(a));
  return (
    `Area under the curve over all seeds: ${say(ordered[0])} is highest, ` +
    `${say(ordered.at(-1))} lowest.`
  );
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
