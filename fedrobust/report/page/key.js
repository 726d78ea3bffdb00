// Which colour, line and sign a defense has: the same in every figure.

const SIGNS = {
  circle: "\u25cf",
  square: "\u25a0",
  diamond: "\u25c6",
  "triangle-up": "\u25b2",
  cross: "\u271a",
  star: "\u2605",
  hexagon: "\u2b22",
};

function sign(defense) {
  const node = element("i", { class: "sign", "aria-hidden": "true" });
  node.textContent = SIGNS[SYMBOLS[defense % SYMBOLS.length]];
  node.style.color = `var(--series-${defense % COLOURS})`;
  return node;
}

function signed(defense) {
  return element("span", { class: "defense" }, sign(defense), defenseName(defense));
}

function key(defenses) {
  const items = defenses.map((defense) => element("li", {}, signed(defense)));
  return element("ul", { class: "key", "aria-label": "Defenses in the figures below" }, items);
}

// What bars are made of: names, each with the style sheet's colour of its place.
function swatches(label, names, colourAt) {
  const item = (name, i) => {
    const swatch = element("i", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = `var(--${colourAt(i)})`;
    return element("li", {}, swatch, name);
  };
  return element("ul", { class: "key", "aria-label": label }, names.map(item));
}
