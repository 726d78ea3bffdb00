// What the reader has chosen.  The address keeps it, so that a link shows the same view.

const state = {
  setting: 0,
  hiddenDefenses: new Set(),
  hiddenThreats: new Set(),
  measure: "",
  zoomed: false, // whether axes of curves show what is reached late, not 0 to 100 %
  sorts: {}, // table: "column:ascending" or "column:descending"
  clients: { defense: null, threat: null }, // the cell whose clients are shown
};

function shownDefenses() {
  return places(content.defenses).filter((d) => !state.hiddenDefenses.has(d));
}

function shownThreats() {
  return places(content.threats).filter((t) => !state.hiddenThreats.has(t));
}

function writeAddress() {
  const words = new URLSearchParams();
  if (content.settings.length > 1) words.set("setting", content.settings[state.setting].label);
  for (const d of state.hiddenDefenses) words.append("without-defense", defenseName(d));
  for (const t of state.hiddenThreats) words.append("without-threat", threatName(t));
  if (state.measure !== measuresWithFigures()[0]?.key) words.set("measure", state.measure);
  if (state.zoomed) words.set("zoomed", "yes");
  for (const [table, sort] of Object.entries(state.sorts)) words.set(`sort-${table}`, sort);
  const { defense, threat } = state.clients;
  if (defense != null) words.set("clients-of", defenseName(defense));
  if (threat != null) words.set("clients-under", threatName(threat));
  const hash = words.toString();
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", `#${hash}`);
}

// A label that the report does not have is passed over: the link may be of an older one.
function readAddress() {
  const words = new URLSearchParams(location.hash.slice(1));
  const find = (options, label) => {
    const found = options.findIndex((option) => option.label === label);
    return found < 0 ? null : found;
  };
  const all = (options, key) =>
    new Set(words.getAll(key).map((label) => find(options, label)).filter((i) => i != null));
  const measures = measuresWithFigures().map(({ key }) => key);
  state.setting = find(content.settings, words.get("setting")) ?? 0;
  state.hiddenDefenses = all(content.defenses, "without-defense");
  state.hiddenThreats = all(content.threats, "without-threat");
  state.measure = measures.find((measure) => measure === words.get("measure")) ?? measures[0] ?? "";
  state.zoomed = words.get("zoomed") === "yes";
  state.sorts = Object.fromEntries(
    [...words]
      .filter(([key, value]) => /^sort-\w+$/.test(key) && /:(a|de)scending$/.test(value))
      .map(([key, value]) => [key.slice(5), value]),
  );
  state.clients = {
    defense: find(content.defenses, words.get("clients-of")),
    threat: find(content.threats, words.get("clients-under")),
  };
}

// Note a choice, and show what it changes: some sections, or all.
function choose(patch, ...sections) {
  Object.assign(state, patch);
  writeAddress();
  render(sections);
}
