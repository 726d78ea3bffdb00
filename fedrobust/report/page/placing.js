// Where names stand beside signs: never on a sign or another name, and on few lines.

const HIGH = 15; // pixels of a name
const GAP = 3; // pixels between a sign and its name, or another's
const CORNERS = [[1, -1], [-1, -1], [1, 1], [-1, 1]]; // right or left, below or above

// Return of each sign the corner at which its name stands, or null where there is no room.
// `signs` are {x, y, size, width}, `lines` {left, right, top, bottom}, all in pixels from the upper
// left; `width` is that of the name.
function placed(signs, lines, area) {
  const taken = signs.map(covered);
  return signs.map((sign) => {
    const free = CORNERS.map((corner) => ({ corner, box: besideSign(sign, corner) }))
      .filter(({ box }) => within(box, area) && crossed(box, taken) === 0)
      .map((place) => ({ ...place, struck: crossed(place.box, lines) }));
    if (!free.length) return null;
    const { corner, box } = free.reduce((a, b) => (b.struck < a.struck ? b : a));
    taken.push(box);
    return corner;
  });
}

function covered({ x, y, size }) {
  const reach = size / 2 + GAP - 1;
  return { left: x - reach, top: y - reach, right: x + reach, bottom: y + reach };
}

function besideSign({ x, y, size, width }, [across, down]) {
  const reach = size / 2 + GAP;
  const left = across > 0 ? x + reach : x - reach - width;
  const top = down > 0 ? y + reach : y - reach - HIGH;
  return { left, top, right: left + width, bottom: top + HIGH };
}

function within({ left, top, right, bottom }, { width, height }) {
  return left >= 0 && top >= 0 && right <= width && bottom <= height;
}

function crossed(box, others) {
  const over = (a, b) =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return others.filter((other) => over(box, other)).length;
}
