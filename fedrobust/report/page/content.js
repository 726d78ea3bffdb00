// What the page shows, and questions to it.

let content = null;
let cellsByPlace = new Map();
let timesOfCell = new Map();

function take(text) {
  content = JSON.parse(text);
  cellsByPlace = new Map(content.cells.map((cell) => [place(cell), cell]));
  timesOfCell = new Map(content.cells.map((cell, i) => [place(cell), content.times[i] ?? {}]));
}

function place({ defense, threat, setting }) {
  return `${defense}/${threat}/${setting}`;
}

function cellAt(defense, threat, setting = state.setting) {
  return cellsByPlace.get(place({ defense, threat, setting })) ?? null;
}

function phases(cell) {
  return timesOfCell.get(place(cell)) ?? {};
}

// Seconds are kept apart because a rerun measures them anew.
function figureOf(cell, measure) {
  if (!cell) return null;
  if (measure !== "seconds") return cell.figures[measure] ?? null;
  const seconds = Object.values(phases(cell));
  return seconds.length ? { mean: sum(seconds), low: null, high: null, each: [] } : null;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

function average(values) {
  return values.length ? sum(values) / values.length : null;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : average(sorted.slice(middle - 1, middle + 1));
}

function places(list) {
  return list.map((_, i) => i);
}

function measureCalled(key) {
  return content.measures.find((measure) => measure.key === key);
}

function measuresWithFigures() {
  return content.measures.filter(({ key }) => content.cells.some((cell) => figureOf(cell, key)));
}

function attacks() {
  return places(content.threats).filter((t) => !content.threats[t].plain);
}

function rankingHere() {
  return content.rankings.find((ranking) => ranking.setting === state.setting) ?? null;
}

function settingAxes() {
  return content.axes.filter((axis) => axis.role === "setting" && axis.labels.length > 1);
}

function defenseName(defense) {
  return content.defenses[defense].label;
}

function threatName(threat) {
  return content.threats[threat].label;
}

function underThreat(threat) {
  return content.threats[threat].plain ? "while nobody attacks" : `under ${threatName(threat)}`;
}

function cellName({ defense, threat }) {
  return `${defenseName(defense)} ${underThreat(threat)}`;
}

// All attacks but those whose runs never have that figure: not every attack has a goal.
function attacksWith(measure) {
  const tried = (threat) =>
    places(content.defenses).map((d) => cellAt(d, threat)).filter((cell) => cell?.runs.length);
  const tells = (cells) => !cells.length || cells.some((cell) => figureOf(cell, measure));
  return attacks().filter((threat) => tells(tried(threat)));
}

// Why a cell has no such figure, or not of all seeds; empty where nothing is amiss.
function whyNot(defense, threat, measure) {
  const cell = cellAt(defense, threat);
  if (!cell) return "The study leaves this out.";
  if (cell.why || figureOf(cell, measure)) return cell.why;
  return "No such figure: this rule or run does not tell.";
}

// The worst mean over these attacks; null where one of them has none.
function worstOf(defense, measure) {
  const better = measureCalled(measure).better;
  const figure = (threat) => figureOf(cellAt(defense, threat), measure);
  const found = attacksWith(measure).map((threat) => ({ threat, figure: figure(threat) }));
  if (!better || !found.length || found.some(({ figure }) => !figure)) return null;
  const sign = better === "higher" ? 1 : -1;
  return found.reduce((a, b) => (sign * b.figure.mean < sign * a.figure.mean ? b : a));
}
