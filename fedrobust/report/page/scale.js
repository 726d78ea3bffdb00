// Colours of numbers, from the worst to the best.

function mixed(a, b, share) {
  const from = channels(a);
  const to = channels(b);
  return from.map((value, i) => Math.round(value + share * (to[i] - value)));
}

// The colour at a place between 0, the worst, and 1, the best.
function scaleColour(share) {
  const stops = [colour("scale-0"), colour("scale-1"), colour("scale-2")];
  const at = 2 * Math.min(1, Math.max(0, share));
  return at < 1 ? mixed(stops[0], stops[1], at) : mixed(stops[1], stops[2], at - 1);
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// Black or white, whichever reads better: never below 4.5 to 1.
function inkOn(rgb) {
  return (luminance(rgb) + 0.05) / 0.05 > 1.05 / (luminance(rgb) + 0.05) ? "#000000" : "#ffffff";
}

function paint(node) {
  const rgb = scaleColour(Number(node.dataset.share));
  node.style.backgroundColor = `rgb(${rgb.join(",")})`;
  node.style.color = inkOn(rgb);
}

// Paint, or paint anew, all that holds a share.
function paintScale(root = document) {
  root.querySelectorAll("[data-share]").forEach(paint);
}

function legend(low, high, unit, better) {
  const [worst, best] = better === "lower" ? [high, low] : [low, high];
  const steps = [0, 0.25, 0.5, 0.75, 1].map((share) => element("i", { "data-share": share }));
  const ends = better ? ["worse", "better"] : ["", ""];
  return element(
    "p",
    { class: "legend" },
    element("span", {}, `${long(worst, unit)} ${ends[0]}`),
    element("span", { class: "ramp", "aria-hidden": "true" }, steps),
    element("span", {}, `${long(best, unit)} ${ends[1]}`),
  );
}
