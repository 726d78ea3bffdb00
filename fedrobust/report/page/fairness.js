// What clients of one run gave, and what they got.

function fairness() {
  const known = content.cells.filter((cell) => cell.setting === state.setting && cell.clients);
  const cell = known.length ? clientsCell(known) : null;
  const body = cell
    ? [
        cellChoice(known, cell),
        paragraph(`${cellName(cell)}.`, "on-paper"),
        clientsFigures(cell, "clients"),
        reputationFigures(cell, "clients"),
        timeline(cell),
      ]
    : paragraph("No run tells of its clients.");
  return section("fairness", "Clients", body);
}

function cellChoice(known, { defense, threat }) {
  const act = (name) => (value) =>
    choose({ clients: { defense, threat, [name]: Number(value) } }, "fairness");
  const present = (name) => [...new Set(known.map((one) => one[name]))].toSorted((a, b) => a - b);
  const defenses = present("defense").map((d) => [d, defenseName(d)]);
  const threats = present("threat").map((t) => [t, threatName(t)]);
  return element(
    "div",
    { class: "controls" },
    select("clients-defense", "Defense", defenses, defense, act("defense")),
    select("clients-threat", "Threat", threats, threat, act("threat")),
  );
}

function rewarded({ clients }) {
  return clients.reward.some((reward) => reward != null);
}

// What was asked for; else the first attack, and a rule that rewards not only by examples.
function clientsCell(known) {
  const { defense, threat } = state.clients;
  const wish = (cell) =>
    16 * (cell.threat === threat) +
    8 * (cell.defense === defense) +
    4 * !content.threats[cell.threat].plain +
    2 * rewarded(cell) +
    !content.defenses[cell.defense].plain;
  return known.reduce((a, b) => (wish(b) > wish(a) ? b : a));
}

function clientsFigures(cell, id, level = "h3") {
  return element(
    "div",
    { class: "panels" },
    rewarded(cell)
      ? rewardFigure(cell, `${id}-reward`, level)
      : paragraph("Reward: this rule weighs no clients, so nobody's share can be told.", "hint"),
    accuracyFigure(cell, `${id}-accuracy`, level),
  );
}

// The role of a malicious client is the attack that it carries out.
function roleName(role) {
  return role === "honest" ? "honest" : "malicious";
}

function roleInWords(role) {
  return role === "honest" ? role : `malicious: ${role}`;
}

function byRole({ role }) {
  const own = (name) => places(role).filter((i) => roleName(role[i]) === name);
  return [
    { name: "honest", symbol: "circle" },
    { name: "malicious", symbol: "x" },
  ]
    .map(({ name, symbol }) => ({
      name,
      clients: own(name),
      marker: { color: colour(name), symbol, size: 9, opacity: 0.8 },
    }))
    .filter(({ clients }) => clients.length);
}

// Clients and timelines are told of the first run alone.
function seedInWords({ runs }) {
  return `Seed ${runs[0].seed}.`;
}

function clientInWords({ client, role }, i) {
  return literal(`client ${client[i]}, ${roleInWords(role[i])}`);
}

function rewardFigure(cell, id, level) {
  const { clients } = cell;
  const all = sum(clients.examples) || 1;
  const share = clients.examples.map((examples) => examples / all);
  const top = 1.05 * Math.max(...share, ...clients.reward.map((reward) => reward ?? 0));
  const equal = () => ({
    x: [0, top],
    y: [0, top],
    mode: "lines",
    line: { color: colour("rule"), dash: "dot" },
    hoverinfo: "skip",
  });
  const draw = () => ({
    data: [
      equal(),
      ...byRole(clients).map(({ clients: own, marker }) => ({
        x: own.map((i) => share[i]),
        y: own.map((i) => clients.reward[i]),
        mode: "markers",
        marker,
        text: own.map((i) => clientInWords(clients, i)),
        hovertemplate: "%{text}: %{y:.1%} of the weight, %{x:.1%} of the examples<extra></extra>",
      })),
    ],
    layout: {
      xaxis: { ...percent(0, top), title: { text: "share of all examples" }, range: [0, top] },
      yaxis: { ...percent(0, top), title: { text: "share of all weight" }, range: [0, top] },
      margin: { l: 60, r: 12, t: 8, b: 44 },
      hovermode: "closest",
    },
  });
  return figure({
    id,
    level,
    title: "Reward",
    caption:
      "Each client's share of all weight against its share of all examples; on the line they are " +
      `equal. ${roleKey(clients)} ${seedInWords(cell)}`,
    height: 340,
    draw,
    table: () => clientsData(clients),
  });
}

function roleKey({ role }) {
  const malicious = role.some((name) => name !== "honest");
  return malicious ? "Circles are honest clients, crosses malicious." : "All clients are honest.";
}

function accuracyFigure(cell, id, level) {
  const { clients } = cell;
  const known = clients.accuracy.filter((accuracy) => accuracy != null);
  if (!known.length) return null;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const roles = byRole(clients);
  const draw = () => ({
    data: byRole(clients).map(({ clients: own, marker }, row) => ({
      type: "box",
      orientation: "h",
      x: own.map((i) => clients.accuracy[i]),
      y: own.map(() => row),
      boxpoints: "all",
      jitter: 0.6,
      pointpos: 0,
      marker,
      line: { color: colour("muted"), width: 1 },
      fillcolor: "rgba(0,0,0,0)",
      text: own.map((i) => clientInWords(clients, i)),
      hovertemplate: "%{text}: %{x:.1%}<extra></extra>",
      hoveron: "points",
    })),
    layout: {
      xaxis: { ...percent(low, high), title: { text: "accuracy on a client's mixture of classes" } },
      yaxis: { ...categories(roles.map(({ name }) => name)), range: [roles.length - 0.5, -0.5] },
      margin: { l: 60, r: 12, t: 8, b: 44 },
    },
  });
  return figure({
    id,
    level,
    title: "Accuracy by client",
    caption:
      `What the final model is worth to each client: ${long(low, "share")} to ` +
      `${long(high, "share")}. Boxes are quartiles. ${roleKey(clients)} ${seedInWords(cell)}`,
    height: 340,
    draw,
    table: () => clientsData(clients),
  });
}

function clientsData({ client, role, examples, reward, excluded, accuracy, ...models }) {
  const columns = [client.map(String), role, examples, reward, excluded, accuracy];
  const head = ["Client", "Role", "Examples", "Share of weight", "Rounds left out", "Accuracy"];
  const more = { own: "Own model", alone: "Alone", removed: "Removed in round" };
  for (const [name, title] of Object.entries(more)) {
    if (models[name].every((value) => value == null)) continue;
    columns.push(models[name]);
    head.push(title);
  }
  return { head, rows: places(client).map((i) => columns.map((column) => column[i])) };
}
