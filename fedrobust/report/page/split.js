// Who holds which examples.

const CLASSES = 12; // colours in the style sheet; more would be told apart by nobody
const PALEST = 0.15; // of the scale: what is paler looks like the page

function split() {
  const here = content.splits.find(({ setting }) => setting === state.setting);
  if (!here) return section("split", "Data", paragraph("No run tells who holds what."));
  const classes = Math.max(...here.counts.map((counts) => counts.length));
  const sizes = here.counts.map(sum);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const bars = figure({
    id: "classes",
    title: "Examples by client and class",
    caption:
      `${count(here.client.length, "client")} hold from ${least} to ${most} examples of ` +
      `${count(classes, "class", "classes")}. Seed ${here.seed}.`,
    height: 340,
    draw: () => splitPlot(here, classes),
    table: () => ({
      head: ["Client", ...Array.from({ length: classes }, (_, i) => `class ${i}`)],
      rows: here.counts.map((counts, i) => [String(here.client[i]), ...counts]),
    }),
    above: classes > CLASSES ? classRamp(classes) : classKey(classes),
  });
  return section("split", "Data", bars);
}

function classColour(one, classes) {
  if (classes <= CLASSES) return colour(`class-${one}`);
  return `rgb(${scaleColour(classShare(one, classes)).join(",")})`;
}

function classShare(one, classes) {
  return PALEST + ((1 - PALEST) * one) / (classes - 1);
}

function splitPlot({ client, counts }, classes) {
  const data = Array.from({ length: classes }, (_, one) => ({
    type: "bar",
    x: client,
    y: counts.map((row) => row[one] ?? 0),
    marker: {
      color: classColour(one, classes),
      line: { color: colour("paper"), width: client.length > 60 ? 0 : 0.5 },
    },
    text: client.map((id, i) => `client ${id}, class ${one}: ${counts[i][one] ?? 0}`),
    textposition: "none",
    hovertemplate: "%{text}<extra></extra>",
  }));
  const layout = {
    barmode: "stack",
    xaxis: { title: { text: "client" }, showgrid: false, ...(client.length <= 30 && { dtick: 1 }) },
    yaxis: { title: { text: "examples" } },
    margin: { l: 60, r: 12, t: 8, b: 44 },
    bargap: 0.15,
  };
  return { data, layout };
}

function classKey(classes) {
  const names = Array.from({ length: classes }, (_, one) => `class ${one}`);
  return swatches("Classes", names, (one) => `class-${one}`);
}

function classRamp(classes) {
  const steps = Array.from({ length: classes }, (_, one) =>
    element("i", { "data-share": classShare(one, classes) }),
  );
  const ends = ["class 0", `class ${classes - 1}`];
  return element(
    "p",
    { class: "legend" },
    element("span", {}, ends[0]),
    element("span", { class: "ramp", "aria-hidden": "true" }, steps),
    element("span", {}, ends[1]),
  );
}
