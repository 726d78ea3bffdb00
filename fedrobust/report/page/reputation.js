// What a rule that keeps reputations thought of clients, and what the federation gave them.

const LINES = {
  reputation: { title: "Reputation over time", words: "Each client's share of all reputation." },
  quota: { title: "Reward over time", words: "How much of the aggregate each client gets." },
};

// Nothing where clients have no models of their own.
function reputationFigures(cell, id, level = "h3") {
  const figures = [
    linesFigure(cell, "reputation", `${id}-reputation`, level),
    linesFigure(cell, "quota", `${id}-quota`, level),
    gainFigure(cell, `${id}-gain`, level),
  ].filter(Boolean);
  return figures.length > 0 && element("div", { class: "panels" }, figures);
}

function linesFigure(cell, what, id, level) {
  const lines = cell.reputations;
  if (!lines?.[what].flat().some((value) => value != null)) return null;
  const { title, words } = LINES[what];
  return figure({
    id,
    level,
    title,
    caption: `${words} ${endsInWords(what, lines)} ${linesKey(cell)} ${seedInWords(cell)}`,
    height: 300,
    draw: () => linesPlot(cell, what),
    table: () => ({
      head: ["Client", "Role", ...lines.rounds.map((round) => `round ${round}`)],
      rows: lines.client.map((client, i) => [String(client), lines.role[i], ...lines[what][i]]),
    }),
  });
}

// Of those who are shown: of many clients not all are.
function endsInWords(what, { role, [what]: lines }) {
  const say = (name, who) => {
    const ends = lines.filter((_, i) => roleName(role[i]) === name).map((line) => line.at(-1));
    const known = ends.filter((end) => end != null);
    if (!known.length) return null;
    const [low, high] = [Math.min(...known), Math.max(...known)].map((end) => long(end, "share"));
    return `${who} ${low === high ? low : `${low} to ${high}`}`;
  };
  const parts = [say("honest", "honest clients have"), say("malicious", "malicious ones")];
  return `In the end ${parts.filter(Boolean).join(", ")}.`;
}

function linesKey({ reputations: { role }, clients }) {
  const malicious = role.some((name) => roleName(name) === "malicious");
  const removed = clients.removed.some((round) => round != null);
  return [
    malicious ? "Dashed lines are malicious clients, the others honest." : "All clients are honest.",
    removed && "A cross is a removal.",
  ]
    .filter(Boolean)
    .join(" ");
}

function linesPlot({ reputations: { rounds, client, role, ...all }, clients }, what) {
  const data = all[what].map((line, i) => {
    const end = clients.removed[clients.client.indexOf(client[i])] ?? null;
    const shown = end == null ? -1 : rounds.findIndex((round) => round >= end);
    const removed = shown >= 0;
    const y = removed ? line.slice(0, shown + 1) : line; // a line ends where its client is removed
    const name = roleName(role[i]);
    return {
      x: rounds.slice(0, y.length),
      y,
      mode: removed ? "lines+markers" : "lines",
      connectgaps: true,
      line: { color: colour(name), width: 1.5, dash: name === "honest" ? "solid" : "dash" },
      marker: {
        symbol: "x",
        color: colour(name),
        size: y.map((_, j) => (j === y.length - 1 ? 9 : 0)), // at the end alone
        line: { width: 0 },
      },
      opacity: 0.8,
      text: y.map((value, j) =>
        literal(
          `client ${client[i]}, ${roleInWords(role[i])}, round ${rounds[j]}: ${long(value, "share")}`,
        ),
      ),
      hovertemplate: "%{text}<extra></extra>",
    };
  });
  const high = Math.max(...all[what].flat()) || 1;
  const layout = {
    xaxis: { title: { text: "round" } },
    yaxis: { ...percent(0, high), range: [-0.02 * high, 1.05 * high] },
    margin: { l: 48, r: 12, t: 8, b: 40 },
    hovermode: "closest",
  };
  return { data, layout };
}

function gainFigure(cell, id, level) {
  const { clients } = cell;
  const known = places(clients.client).filter(
    (i) => clients.own[i] != null && clients.alone[i] != null,
  );
  if (!known.length) return null;
  const { own, alone, role } = clients;
  const honest = known.filter((i) => role[i] === "honest");
  const gain = honest.filter((i) => own[i] > alone[i]).length;
  return figure({
    id,
    level,
    title: "Accuracy with and without the federation",
    caption:
      "Each client's own model against what the client reaches alone: above the line it gains by " +
      `the federation, as ${gain} of ${count(honest.length, "honest client")} do. ` +
      `${roleKey(clients)} ${seedInWords(cell)}`,
    height: 340,
    draw: () => gainPlot(clients, known),
    table: () => clientsData(clients),
  });
}

function gainPlot(clients, known) {
  const all = known.flatMap((i) => [clients.own[i], clients.alone[i]]);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const margin = Math.max(0.005, 0.05 * (most - least));
  const range = [Math.max(0, least - margin), Math.min(1 + 0.2 * margin, most + margin)];
  const equal = {
    x: range,
    y: range,
    mode: "lines",
    line: { color: colour("rule"), dash: "dot" },
    hoverinfo: "skip",
  };
  const points = byRole(clients).map(({ clients: own, marker }) => ({
    x: own.map((i) => clients.alone[i]),
    y: own.map((i) => clients.own[i]),
    mode: "markers",
    marker,
    text: own.map((i) => clientInWords(clients, i)),
    hovertemplate: "%{text}: %{y:.1%}, alone %{x:.1%}<extra></extra>",
  }));
  const axis = (text) => ({ ...percent(...range), title: { text }, range });
  return {
    data: [equal, ...points],
    layout: {
      xaxis: axis("accuracy alone"),
      yaxis: axis("accuracy of its own model"),
      margin: { l: 60, r: 12, t: 8, b: 44 },
      hovermode: "closest",
    },
  };
}
