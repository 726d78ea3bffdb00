// The page, from its parts.

const SECTIONS = {
  headlines,
  heatmap,
  ranking,
  curves,
  tradeoff,
  detection,
  fairness,
  cost,
  split,
  changes,
  tuning,
  method,
};

// Show everything, or some sections, anew; what the reader has opened stays open.
function render(names = []) {
  const restore = kept();
  if (names.length) {
    for (const name of names) document.getElementById(name).replaceWith(SECTIONS[name]());
  } else {
    const sections = Object.values(SECTIONS).map((make) => make());
    document.getElementById("content").replaceChildren(...sections.filter(Boolean));
    document.getElementById("filters").replaceChildren(filters());
    document.getElementById("top").replaceChildren(...opening().filter(Boolean));
    refreshDetails();
  }
  const words = shownInWords();
  const shown = document.getElementById("shown");
  if (shown.textContent !== words) shown.textContent = words;
  forgetFigures();
  paintScale();
  restore();
}

function kept() {
  const focus = document.activeElement?.id;
  const open = [...document.querySelectorAll("details[open][id]")].map(({ id }) => id);
  const boxes = [...document.querySelectorAll(".wide")];
  const scrolled = boxes.map(({ id, scrollLeft }) => [id, scrollLeft]);
  const [x, y] = [scrollX, scrollY];
  return () => {
    const find = (id) => document.getElementById(id);
    for (const id of open) find(id)?.setAttribute("open", "");
    for (const [id, left] of scrolled) if (find(id)) find(id).scrollLeft = left;
    if (focus && document.activeElement?.id !== focus) find(focus)?.focus({ preventScroll: true });
    scrollTo({ left: x, top: y, behavior: "instant" });
  };
}

function start() {
  take(document.getElementById("data").textContent);
  readAddress();
  watchTheme();
  watchDetails();
  watchEdges();
  render();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address holds the reader's choices
    document.getElementById("content").focus();
  });
  document.addEventListener("keydown", closeLists);
  document.addEventListener("click", closeLists);
  addEventListener("hashchange", () => {
    readAddress();
    render();
  });
  WIDE.addEventListener("change", () => {
    document.getElementById("choices").open = WIDE.matches;
    redrawAll();
  });
  addEventListener("resize", redrawAll); // names in figures find other places
  if (LIVE) setTimeout(follow, PAUSE);
}

start();
