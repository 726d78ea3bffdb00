// Numbers as people read them.

const NONE = "\u2013";
const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

// Without the sign of percent, for tables that say it once.
function short(value, unit) {
  if (value == null) return NONE;
  if (unit === "share") return minus((100 * value).toFixed(1));
  if (unit === "seconds") return seconds(value);
  if (unit === "bytes") return prefixed(value, "B");
  return minus(digits(value));
}

function long(value, unit) {
  return value != null && unit === "share" ? `${short(value, unit)}\u202f%` : short(value, unit);
}

function half({ low, high }, unit) {
  return low == null || high == null ? "" : `\u00b1${short((high - low) / 2, unit)}`;
}

function between({ low, high }, unit) {
  return low == null || high == null ? "" : `${short(low, unit)} to ${long(high, unit)}`;
}

function minus(text) {
  return text.replace("-", "\u2212");
}

function digits(value) {
  return String(Number(value.toPrecision(3)));
}

function seconds(value) {
  const size = Math.abs(value);
  if (size >= 1 || size === 0) return minus(`${digits(value)}\u202fs`);
  if (size >= 1e-3) return minus(`${digits(1e3 * value)}\u202fms`);
  return minus(`${digits(1e6 * value)}\u202f\u00b5s`);
}

function prefixed(value, unit) {
  const [size, prefix] = PREFIXES.find(([size]) => Math.abs(value) >= size) ?? [1, ""];
  return minus(`${digits(value / size)}\u202f${prefix}${unit}`);
}

function count(number, noun, nouns = `${noun}s`) {
  return `${number} ${number === 1 ? noun : nouns}`;
}

function listed(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

function shortened(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}\u2026` : text;
}
