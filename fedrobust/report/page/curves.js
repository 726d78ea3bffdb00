// How accuracy and attack success went, round by round.

const CURVES = {
  accuracy: "Accuracy",
  attack_success: "Attack success",
};
const BANDS = 8; // defenses; more bands would hide each other
const TALL = 300; // pixels of a figure
const LINE = 15; // pixels from one name to the next

function curves() {
  const shown = shownThreats().flatMap((threat) =>
    Object.keys(CURVES).map((what) => curvesUnder(threat, what)),
  );
  const drawn = shownDefenses().filter((defense) =>
    shownThreats().some((threat) => hasCurve(cellAt(defense, threat))),
  );
  const words =
    "A line is the mean over seeds" +
    (drawn.length > BANDS
      ? "."
      : "; the band around it reaches from the lowest to the highest seed.");
  return section(
    "curves",
    "Round by round",
    paragraph(words),
    drawn.length > 0 && zoomSwitch(),
    key(drawn),
    element("div", { class: "panels" }, shown),
  );
}

function zoomSwitch() {
  const change = (event) => choose({ zoomed: event.target.checked }, "curves");
  const box = element("input", { type: "checkbox", id: "zoomed", checked: state.zoomed, change });
  return element("div", { class: "controls" }, element("label", {}, box, " Zoom in on the second half"));
}

function hasCurve(cell) {
  return cell && Object.keys(cell.curves).length > 0;
}

function curvesUnder(threat, what) {
  const cells = shownDefenses().map((d) => cellAt(d, threat)).filter((cell) => cell?.curves[what]);
  if (!cells.length) return null;
  return curvesFigure({
    id: `${what}-${threat}`,
    title: `${CURVES[what]} ${underThreat(threat)}`,
    cells,
    what,
  });
}

// Tables have the mean over the last evaluations, which differs.
function lastInWords(cells, what) {
  const ends = cells.map((cell) => [cell, cell.curves[what].mean.at(-1)]);
  ends.sort((a, b) => b[1] - a[1]);
  const [high, low] = [ends[0], ends.at(-1)];
  const say = ([cell, value]) => `${defenseName(cell.defense)} (${long(value, "share")})`;
  return ends.length > 1
    ? `In the last round alone, ${say(high)} is highest, ${say(low)} lowest.`
    : `In the last round alone: ${say(high)}.`;
}

function curvesFigure({ id, title, cells, what, level = "h3" }) {
  const range = state.zoomed ? rangeOfCurves(cells, what) : [0, 1];
  const [low, high] = range.map((end) => long(end, "share"));
  const axis = state.zoomed ? ` The axis shows ${low} to ${high} alone, for the second half.` : "";
  return figure({
    id,
    title,
    caption: lastInWords(cells, what) + axis,
    level,
    height: TALL,
    draw: () => curvesPlot(cells, what, range),
    table: () => ({
      head: ["Defense", "Round", "Mean", "Lowest seed", "Highest seed"],
      rows: cells.flatMap((cell) => bandRows(cell.curves[what], cell.defense)),
    }),
  });
}

// What the second half of the rounds reaches: before it, lines differ by where they start.
function rangeOfCurves(cells, what) {
  const late = (values) => values.slice(values.length >> 1);
  const bands = cells.map((cell) => cell.curves[what]);
  const low = Math.min(...bands.flatMap((band) => late(band.low)));
  const high = Math.max(...bands.flatMap((band) => late(band.high)));
  const margin = Math.max(0.005, 0.03 * (high - low));
  return [Math.max(0, low - margin), Math.min(1, high + margin)];
}

function curvesPlot(cells, what, [low, high]) {
  const names = namesAtEnds(cells, what, high - low);
  const widest = Math.max(0, ...names.map(({ text }) => widthOfText(text)));
  const data = cells.flatMap((cell) =>
    bandAndLine(cell.curves[what], cell.defense, cells.length <= BANDS),
  );
  const beside = { xref: "paper", x: 1, xanchor: "left", yanchor: "middle", showarrow: false };
  const layout = {
    xaxis: { title: { text: "round" } },
    yaxis: { ...percent(low, high), range: [low, high + 0.01 * (high - low)] },
    margin: { l: 48, r: 12 + widest, t: 8, b: 40 },
    annotations: names.map(({ text, y }) => ({ ...beside, text: literal(text), y })),
    hovermode: "closest",
  };
  return { data, layout };
}

// A line whose end is apart from all others has its name there; the key has all names.
function namesAtEnds(cells, what, span) {
  const apart = (span * LINE) / (TALL - 60); // without title and ticks
  const ends = cells.map((cell) => cell.curves[what].mean.at(-1));
  const alone = (end, i) => ends.every((other, j) => i === j || Math.abs(other - end) >= apart);
  const name = (cell) => shortened(defenseName(cell.defense), WIDE.matches ? 20 : 12);
  return cells
    .map((cell, i) => ({ text: name(cell), y: ends[i] }))
    .filter(({ y }, i) => alone(y, i));
}

function bandRows({ rounds, mean, low, high }, defense) {
  return rounds.map((round, i) => [defenseName(defense), round, mean[i], low[i], high[i]]);
}

function bandAndLine({ rounds, mean, low, high }, defense, withBand) {
  const { colour, dash, symbol } = look(defense);
  const band = {
    x: [...rounds, ...rounds.toReversed()],
    y: [...high, ...low.toReversed()],
    mode: "lines",
    line: { width: 0 },
    fill: "toself",
    fillcolor: faint(colour, 0.15),
    hoverinfo: "skip",
  };
  const line = {
    x: rounds,
    y: mean,
    mode: "lines+markers",
    line: { color: colour, width: 2, dash },
    marker: { color: colour, symbol, size: 6, maxdisplayed: 8 },
    text: mean.map((value, i) =>
      literal(`${defenseName(defense)}, round ${rounds[i]}: ${long(value, "share")}`),
    ),
    hovertemplate: "%{text}<extra></extra>",
  };
  return withBand && low.some((value, i) => value < high[i]) ? [band, line] : [line];
}
