// One cell in full, in a dialog over the page.

const STATES = {
  partly: "Some seeds are missing.",
  missing: "Missing.",
  undefined: "Not defined.",
};

let inDetails = null; // {cell, times}: what the dialog shows

function openDetails(cell) {
  const dialog = document.getElementById("details");
  showDetails(dialog, cell);
  dialog.showModal();
  dialog.scrollTop = 0;
  document.getElementById("details-title").focus();
}

function showDetails(dialog, cell) {
  inDetails = { cell, times: phases(cell) };
  dialog.replaceChildren(...detailsOf(cell));
  dialog.dataset.opener = `cell-${cell.defense}-${cell.threat}`;
}

// What is open while runs go on shows what is new of its cell, where the reader is.
function refreshDetails() {
  const dialog = document.getElementById("details");
  if (!dialog.open) return;
  const cell = cellsByPlace.get(place(inDetails.cell));
  if (!cell) return dialog.close();
  const now = JSON.stringify({ cell, times: phases(cell) });
  if (now === JSON.stringify(inDetails)) return;
  const top = dialog.scrollTop;
  showDetails(dialog, cell);
  dialog.scrollTop = top;
  document.getElementById("details-title").focus({ preventScroll: true });
}

// The cell that opened it may have been drawn anew meanwhile.
function closedDetails({ currentTarget: dialog }) {
  dialog.replaceChildren();
  forgetFigures();
  document.getElementById(dialog.dataset.opener)?.focus();
}

function watchDetails() {
  const dialog = document.getElementById("details");
  dialog.addEventListener("close", closedDetails);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

function detailsOf(cell) {
  const close = () => document.getElementById("details").close();
  const state = [STATES[cell.state], cell.why].filter(Boolean).join(" ");
  const setting = content.settings[cell.setting].label;
  return [
    element(
      "header",
      {},
      element("h2", { id: "details-title", tabindex: "-1" }, cellName(cell)),
      element("button", { type: "button", class: "close", click: close }, "Close"),
    ),
    setting && paragraph(setting, "setting"),
    state && paragraph(state, "notice"),
    figuresOf(cell),
    drawingsOf(cell),
    runsOf(cell),
    scenarioOf(cell),
  ].filter(Boolean);
}

function figuresOf(cell) {
  const known = content.measures.filter(({ key }) => figureOf(cell, key));
  if (!known.length) return null;
  const row = ({ key, title, unit }) => {
    const figure = figureOf(cell, key);
    const each = figure.each.map((value) => short(value, unit)).join("  ");
    return [title, long(figure.mean, unit), between(figure, unit) || NONE, each || NONE];
  };
  const head = ["Measure", "Mean", "95\u202f% confidence", "Each seed"];
  return titledTable("details-figures", "Figures", { head, rows: known.map(row) });
}

function titledTable(name, title, numbers) {
  const table = scrolling(name, title, plainTable(numbers, title));
  return element("div", {}, element("h3", {}, title), table);
}

function runsOf({ runs }) {
  if (!runs.length) return null;
  const numbers = {
    head: ["Run", "Seed", "Hash of its model"],
    rows: runs.map(({ id, seed, model_hash }) => [id, String(seed), model_hash]),
  };
  return titledTable("details-runs", "Runs", numbers);
}

function scenarioOf({ scenario }) {
  if (!scenario) return null;
  const text = element("pre", { tabindex: "0", "aria-label": "Scenario as TOML" }, scenario);
  const copy = copyButton("Copy the scenario", () => scenario);
  return element("div", {}, element("h3", {}, "Scenario"), copy, text);
}

function drawingsOf(cell) {
  const lines = Object.keys(CURVES)
    .filter((what) => cell.curves[what])
    .map((what) =>
      curvesFigure({
        id: `details-${what}`,
        title: `${CURVES[what]} by round`,
        cells: [cell],
        what,
      }),
    );
  return element(
    "div",
    {},
    lines.length > 0 && element("div", { class: "panels" }, lines),
    cell.clients && clientsFigures(cell, "details-clients"),
    cell.clients && reputationFigures(cell, "details-clients"),
    cell.timeline && timeline(cell, "details-timeline"),
    cell.roc && rocFigure([cell], "details-roc", "Detection, whatever the threshold"),
  );
}
