// Whom a rule left out, and when.

const NINTHS = 9; // a digit says how many of them a client was left out

function timeline(cell, id = "timeline", level = "h3") {
  const line = cell.timeline;
  if (!line) return paragraph("Detection: this rule leaves nobody out by weight.", "hint");
  const shares = line.excluded.map((bins) =>
    [...bins].map((digit) => (digit === "." ? null : Number(digit) / NINTHS)),
  );
  const names = line.client.map((client, i) => `${client} \u00b7 ${roleName(line.role[i])}`);
  return figure({
    id,
    level,
    title: "Who was left out when",
    caption: `${leftOutInWords(line, shares)} ${seedInWords(cell)}`,
    height: 110 + Math.max(6, Math.min(14, 720 / names.length)) * names.length,
    draw: () => timelinePlot(line, shares, names),
    table: () => ({
      head: ["Client", "Role", ...line.rounds.map((round) => `from round ${round}`)],
      rows: line.client.map((client, i) => [String(client), line.role[i], ...shares[i]]),
    }),
  });
}

function leftOutInWords({ role }, shares) {
  const mean = (wanted) => {
    const own = shares.filter((_, i) => (role[i] === "honest") === wanted).flat();
    return average(own.filter((share) => share != null));
  };
  const [honest, malicious] = [mean(true), mean(false)];
  const say = (who, value) => (value == null ? null : `${who} ${long(value, "share")} of the time`);
  const parts = [say("malicious clients", malicious), say("honest ones", honest)].filter(Boolean);
  const words = parts.length ? `Left out: ${listed(parts)}.` : "Nobody was judged.";
  return (
    `${words} The stronger the colour, the more of these rounds a client counted for nothing; ` +
    "gaps were not judged."
  );
}

function timelinePlot(line, shares, names) {
  const trace = {
    type: "heatmap",
    x: line.rounds.map(String),
    y: places(names),
    z: shares,
    zmin: 0,
    zmax: 1,
    colorscale: [
      [0, colour("strip-0")],
      [1, colour("strip-1")],
    ],
    xgap: 1,
    ygap: 1,
    hoverongaps: false,
    text: names.map((_, i) =>
      line.rounds.map((round) => `${clientInWords(line, i)}, from round ${round}`),
    ),
    hovertemplate: "%{text}: left out %{z:.0%}<extra></extra>",
    colorbar: { tickformat: ".0%", thickness: 8, outlinewidth: 0, len: 1 },
  };
  const step = Math.ceil(names.length / 60); // more names would lie on each other
  const shown = places(names).filter((i) => i % step === 0);
  const layout = {
    xaxis: { title: { text: "from round" }, type: "category", nticks: 12, showgrid: false },
    yaxis: {
      tickvals: shown,
      ticktext: shown.map((i) => tick(names[i])),
      autorange: "reversed",
      showgrid: false,
      zeroline: false,
      tickfont: { size: 11 },
    },
    margin: { l: 60, r: 12, t: 8, b: 44 },
  };
  return { data: [trace], layout };
}
