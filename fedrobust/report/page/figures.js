// Figures: each has a title, a sentence, a drawing and the numbers behind it.

const MARGIN = "600px"; // drawn this long before it is scrolled into view
const PAPER = 660; // width in pixels of what is printed
const HALF = 318; // of two figures beside each other there
const LOWER = 0.78; // how high they are there, of their height on a screen
const FONT = 13; // pixels
const plots = new Map(); // id: {box, draw, drawn}

const nearView = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && plots.has(target.id)) redraw(plots.get(target.id));
    }
  },
  { rootMargin: MARGIN },
);

// `draw` returns plotly's traces and layout; `table` the numbers, as `plainTable` takes them.
function figure({ id, title, caption, height, draw, table, level = "h3", above = null }) {
  return element(
    "figure",
    { id: `${id}-figure` },
    element(level, {}, title),
    element("figcaption", {}, caption),
    above,
    plotBox(id, `${title}. ${caption}`, height, draw),
    dataBehind(id, title, table),
  );
}

// A figure that is shown again keeps its box, and what is drawn there until the new is.
function plotBox(id, label, height, draw) {
  const box = plots.get(id)?.box ?? element("div", { id, class: "plot", role: "img" });
  box.setAttribute("aria-label", label);
  box.style.height = `${height}px`;
  plots.set(id, { box, height, draw, drawn: plots.get(id)?.drawn ?? "" });
  nearView.unobserve(box);
  nearView.observe(box);
  return box;
}

function dataBehind(id, title, table) {
  const fill = (event) => {
    const details = event.currentTarget;
    if (!details.open || details.children.length > 1) return;
    const numbers = table();
    details.append(
      copyButton("Copy as CSV", () => csv(numbers)),
      scrolling(`${id}-data`, `Data of: ${title}`, plainTable(numbers, title)),
    );
  };
  const summary = element("summary", {}, "Data", spoken(` of: ${title}`));
  return element("details", { id: `${id}-behind`, class: "data", toggle: fill }, summary);
}

function redraw(plot) {
  const { data, layout } = plot.draw();
  const paper = onPaper();
  const height = paper && inPanel(plot.box) ? LOWER * plot.height : plot.height;
  plot.box.style.height = `${height}px`;
  const size = { height, autosize: !paper, ...(paper && { width: widthOf(plot.box) }) };
  const whole = { template: template(), ...layout, ...size };
  const drawn = JSON.stringify([data, whole]);
  if (drawn === plot.drawn) return;
  plot.drawn = drawn;
  plotly().react(plot.box, data, whole, config(plot.box.id));
}

function onPaper() {
  return document.documentElement.hasAttribute("data-paper");
}

function inPanel(box) {
  return box.closest(".panels") !== null;
}

function widthOf(box) {
  return !onPaper() ? box.clientWidth : inPanel(box) ? HALF : PAPER;
}

// Plotly is most of the page: it is read when the first figure needs it, after the words are there.
function plotly() {
  if (!window.Plotly) {
    const text = document.getElementById("plotly").textContent;
    document.head.append(element("script", {}, text));
  }
  return window.Plotly;
}

function redrawAll() {
  for (const plot of plots.values()) if (plot.drawn) redraw(plot);
}

function drawAll() {
  for (const plot of plots.values()) if (plot.box.isConnected) redraw(plot);
}

function forgetFigures() {
  for (const [id, { box, drawn }] of plots) {
    if (box.isConnected) continue;
    nearView.unobserve(box);
    if (drawn) plotly().purge(box);
    plots.delete(id);
  }
}

function config(filename) {
  return {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage"]],
    toImageButtonOptions: { format: "svg", filename },
  };
}

// Whoever scrolls with a finger shall not zoom into figures.
function template() {
  const axis = {
    gridcolor: colour("line"),
    linecolor: colour("rule"),
    zerolinecolor: colour("rule"),
    tickcolor: colour("rule"),
    automargin: true,
    title: { standoff: 10, font: { size: FONT } },
  };
  return {
    layout: {
      font: { family: fontFamily(), size: FONT, color: colour("ink") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 48, r: 12, t: 8, b: 40 },
      xaxis: axis,
      yaxis: axis,
      showlegend: false,
      hoverlabel: {
        bgcolor: colour("raised"),
        bordercolor: colour("rule"),
        font: { color: colour("ink") },
      },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("muted"), activecolor: colour("accent") },
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    },
  };
}

function fontFamily() {
  return getComputedStyle(document.body).fontFamily;
}

// In pixels, as figures write it.
function widthOfText(text) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${FONT}px ${fontFamily()}`;
  return pen.measureText(text).width;
}

// Text as plotly shall show it: not as the tags that it knows.
function literal(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function tick(text) {
  return literal(shortened(text, WIDE.matches ? 26 : 20));
}

function categories(names) {
  return { tickmode: "array", tickvals: places(names), ticktext: names.map(tick) };
}

// An axis of shares; where it shows few of them, ticks need a decimal.
function percent(low, high) {
  return { tickformat: high - low < 0.1 ? ".1%" : ".0%" };
}
