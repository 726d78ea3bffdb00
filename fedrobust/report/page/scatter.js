// What a defense costs while nobody attacks, against what it holds at worst.

const SCATTER = { height: 440, l: 80, r: 24, t: 16, b: 48 }; // pixels
const ROOM = 0.08; // of the span, around all signs and intervals
const OUTSIDE = 0.05; // how far the axes go beyond what a share can be, as intervals may

function tradeoff() {
  const known = (rankingHere()?.standings ?? []).filter(
    ({ defense, clean, worst }) => clean && worst && !state.hiddenDefenses.has(defense),
  );
  if (!known.length) return section("tradeoff", "Trade-off", paragraph("Nothing to compare yet."));
  const noisy = known.some(({ noise }) => noise != null);
  const columns = ["Defense", "Nobody attacks", "low", "high", "Worst case", "low", "high"];
  const dot = figure({
    id: "scatter",
    title: "Nobody attacks and the worst attack",
    caption:
      "Right is better while nobody attacks, up is better under the worst attack of each seed. " +
      "Crosses are 95\u202f% confidence intervals." +
      (noisy ? " The larger a sign, the more noise is added for privacy." : ""),
    height: SCATTER.height,
    draw: () => scatterPlot(known),
    table: () => ({
      head: noisy ? [...columns, "Noise multiplier"] : columns,
      rows: known.map(({ defense, clean, worst, noise }) => [
        ...[defenseName(defense), clean.mean, clean.low, clean.high],
        ...[worst.mean, worst.low, worst.high],
        ...(noisy ? [noise] : []),
      ]),
    }),
    above: key(known.map(({ defense }) => defense)),
  });
  return section("tradeoff", "Trade-off", dot);
}

function scatterPlot(known) {
  const across = rangeAround(known.map(({ clean }) => clean));
  const up = rangeAround(known.map(({ worst }) => worst));
  const most = Math.max(...known.map(({ noise }) => noise ?? 0));
  const sizes = known.map(({ noise }) => (most ? 10 + (16 * (noise ?? 0)) / most : 12));
  const { l, r, t, b } = SCATTER;
  const axis = (range, text) => ({ ...percent(...range), range, title: { text }, automargin: false });
  const layout = {
    xaxis: axis(across, "accuracy while nobody attacks"),
    yaxis: axis(up, "score under the worst attack"),
    margin: { l, r, t, b },
    annotations: namesBesideSigns(known, sizes, across, up),
    hovermode: "closest",
  };
  return { data: known.map((standing, i) => scatterSign(standing, sizes[i])), layout };
}

function scatterSign(standing, size) {
  const { colour: own, symbol } = look(standing.defense);
  return {
    x: [standing.clean.mean],
    y: [standing.worst.mean],
    error_x: bar(standing.clean, own),
    error_y: bar(standing.worst, own),
    mode: "markers",
    marker: { color: own, symbol, size, opacity: 1, line: { color: colour("paper"), width: 1 } },
    hovertext: literal(standingInWords(standing)),
    hovertemplate: "%{hovertext}<extra></extra>",
    cliponaxis: false,
  };
}

function ends({ mean, low, high }) {
  return [low ?? mean, high ?? mean];
}

function rangeAround(figures) {
  const [low, high] = [Math.min(...figures.flatMap(ends)), Math.max(...figures.flatMap(ends))];
  const room = ROOM * (high - low) || 0.05;
  return [Math.max(low - room, -OUTSIDE), Math.min(high + room, 1 + OUTSIDE)];
}

function bar({ mean, low, high }, own) {
  if (low == null || high == null) return { visible: false };
  const arms = { array: [high - mean], arrayminus: [mean - low] };
  return { type: "data", symmetric: false, ...arms, color: own, thickness: 1.5, width: 4 };
}

function namesBesideSigns(known, sizes, across, up) {
  const { height, l, r, t, b } = SCATTER;
  const area = { width: widthOf(document.getElementById("scatter")) - l - r, height: height - t - b };
  const toX = (value) => (area.width * (value - across[0])) / (across[1] - across[0]);
  const toY = (value) => (area.height * (up[1] - value)) / (up[1] - up[0]);
  const names = known.map(({ defense }) => shortened(defenseName(defense), WIDE.matches ? 26 : 16));
  const signs = known.map(({ clean, worst }, i) => ({
    x: toX(clean.mean),
    y: toY(worst.mean),
    size: sizes[i],
    width: widthOfText(names[i]),
  }));
  const arms = known.flatMap(({ clean, worst }, i) => {
    const { x, y } = signs[i];
    const [[left, right], [bottom, top]] = [ends(clean).map(toX), ends(worst).map(toY)];
    return [{ left, right, top: y, bottom: y }, { left: x, right: x, top, bottom }];
  });
  const name = (corner, i) => {
    if (!corner) return [];
    const [x, y] = corner;
    const reach = sizes[i] / 2 + GAP;
    return {
      x: known[i].clean.mean,
      y: known[i].worst.mean,
      xshift: x * reach,
      yshift: -y * reach,
      xanchor: x > 0 ? "left" : "right",
      yanchor: y > 0 ? "top" : "bottom",
      borderpad: 0,
      showarrow: false,
      text: literal(names[i]),
    };
  };
  return placed(signs, arms, area).flatMap(name);
}

function standingInWords({ defense, clean, worst, noise }) {
  const [calm, attacked] = [long(clean.mean, "share"), long(worst.mean, "share")];
  const added = noise == null ? "" : `; noise multiplier ${digits(noise)}`;
  return `${defenseName(defense)}: ${calm} while nobody attacks, ${attacked} at worst${added}`;
}
