// Light or dark, and the colours that figures take from it.

const THEMES = ["auto", "light", "dark"];
// Colours, dashes and signs of defenses are those of the drawings, place by place.
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon"];
const COLOURS = 8; // in the style sheet
const DARK = matchMedia("(prefers-color-scheme: dark)");

function keptTheme() {
  try {
    const theme = localStorage.getItem("fedrobust-theme");
    return THEMES.includes(theme) ? theme : "auto";
  } catch {
    return "auto"; // the browser keeps nothing for files
  }
}

function setTheme(theme) {
  try {
    localStorage.setItem("fedrobust-theme", theme);
  } catch {
    // Chosen for this visit only.
  }
  repaint(theme);
}

function repaint(theme) {
  const dark = theme === "dark" || (theme === "auto" && DARK.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  paintScale();
  redrawAll();
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// How a defense is drawn, wherever it is drawn.
function look(defense) {
  return {
    colour: colour(`series-${defense % COLOURS}`),
    dash: DASHES[defense % DASHES.length],
    symbol: SYMBOLS[defense % SYMBOLS.length],
  };
}

function faint(hex, opacity) {
  const [r, g, b] = channels(hex);
  return `rgba(${r},${g},${b},${opacity})`;
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// Paper is light, whatever the screen is.
function watchTheme() {
  const paper = matchMedia("print");
  repaint(keptTheme());
  DARK.addEventListener("change", () => repaint(keptTheme()));
  addEventListener("beforeprint", () => forPaper(true));
  addEventListener("afterprint", () => forPaper(false));
  paper.addEventListener("change", () => forPaper(paper.matches));
}

function forPaper(on) {
  const root = document.documentElement;
  if (root.hasAttribute("data-paper") === on) return;
  root.toggleAttribute("data-paper", on);
  repaint(on ? "light" : keptTheme());
  if (on) drawAll();
}

function themeSwitch() {
  const options = THEMES.map((theme) => [theme, theme]);
  return select("theme", "Theme", options, keptTheme(), setTheme);
}
