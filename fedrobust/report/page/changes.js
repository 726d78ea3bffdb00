// What differs from another report, and how all this was done.

function changes() {
  if (!content.changes) return null;
  const visible = ({ defense, threat, setting }) =>
    setting === state.setting &&
    !state.hiddenDefenses.has(defense) &&
    !state.hiddenThreats.has(threat);
  const shown = content.changes.filter(visible);
  const beyond = shown.filter((change) => change.beyond_noise);
  const within = shown.filter((change) => !change.beyond_noise);
  const title = `What changed since ${content.against}`;
  const words = `${count(beyond.length, "figure")} of ${shown.length} differ beyond noise.`;
  return section(
    "changes",
    title,
    paragraph(beyond.length ? words : `Nothing beyond noise, in ${count(shown.length, "figure")}.`),
    beyond.length > 0 && changesTable("changed", "Beyond noise", beyond),
    within.length > 0 &&
      element(
        "details",
        { id: "unchanged-list", class: "data" },
        element("summary", {}, `Within noise (${within.length})`),
        changesTable("unchanged", "Within noise", within),
      ),
  );
}

function changesTable(name, caption, rows) {
  const unit = ({ measure }) => measureCalled(measure)?.unit ?? "number";
  const text = (name, title, value) => ({ name, title, first: "ascending", value, cell: value });
  const number = (name, title, value, cell) => ({ name, title, value, cell });
  const by = (change) => change.after - change.before;
  const difference = (change) => {
    const range = between(change, unit(change));
    const sign = by(change) > 0 ? "+" : "";
    return [sign, long(by(change), unit(change)), range && ` [${range}]`];
  };
  return sortableTable({
    name,
    caption,
    redraw: "changes",
    initial: "by:descending",
    rows,
    columns: [
      defenseColumn(),
      text("threat", "Threat", ({ threat }) => threatName(threat)),
      text("measure", "Measure", ({ measure }) => measureCalled(measure)?.title ?? measure),
      number("before", "Before", (c) => c.before, (c) => long(c.before, unit(c))),
      number("after", "After", (c) => c.after, (c) => long(c.after, unit(c))),
      number("by", "Difference", (change) => Math.abs(by(change)), difference),
    ],
  });
}

// Text between pairs of backticks is code.
function withCode(text) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return text;
  return parts.map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

function method() {
  const terms = content.method.map(([title, text]) => [
    element("dt", {}, title),
    element("dd", {}, withCode(text)),
  ]);
  return section(
    "method",
    "Method",
    element("dl", {}, terms),
    paragraph("Hash of all runs' models; whoever runs the study again compares it:"),
    element("p", {}, element("code", {}, content.results_hash)),
    copyButton("Copy the hash", () => content.results_hash),
  );
}
