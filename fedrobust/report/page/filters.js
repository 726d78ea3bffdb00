// What the reader chooses: a setting, defenses, threats.

const WIDE = matchMedia("(min-width: 48rem)");

function filters() {
  const selects = settingAxes().map((axis) => settingSelect(axis));
  const lists = [
    checkList("defense", "Defenses", content.defenses, "hiddenDefenses"),
    checkList("threat", "Threats", content.threats, "hiddenThreats"),
  ];
  const body = element("div", { class: "choices" }, selects, lists);
  const open = document.getElementById("choices")?.open ?? WIDE.matches;
  return element("details", { id: "choices", open }, element("summary", {}, "Filter"), body);
}

function settingSelect({ key, labels }) {
  if (content.settings.length < 2) return null;
  const options = labels.map((label) => [label, label]);
  const chosen = content.settings[state.setting].values[key];
  const act = (label) => choose({ setting: nearest(key, label) });
  return select(`setting-${key}`, key, options, chosen, act);
}

// The setting that has this label and else differs least from the one that is shown.
function nearest(key, label) {
  const now = content.settings[state.setting].values;
  const values = (s) => content.settings[s].values;
  const alike = (s) => Object.keys(now).filter((axis) => values(s)[axis] === now[axis]).length;
  const found = places(content.settings).filter((s) => values(s)[key] === label);
  return found.reduce((a, b) => (alike(b) > alike(a) ? b : a), found[0] ?? state.setting);
}

function checkList(noun, title, options, choice) {
  const hidden = state[choice];
  const set = (indexes) => choose({ [choice]: new Set(indexes) });
  const toggle = (i) => set(hidden.has(i) ? [...hidden].filter((j) => j !== i) : [...hidden, i]);
  const item = ({ label }, i) =>
    element(
      "label",
      {},
      element("input", {
        type: "checkbox",
        id: `${noun}-${i}`,
        checked: !hidden.has(i),
        change: () => toggle(i),
      }),
      noun === "defense" ? signed(i) : element("span", {}, label),
    );
  const button = (word, indexes) =>
    element("button", { type: "button", id: `${noun}-${word}`, click: () => set(indexes) }, word);
  const summary = `${title} (${options.length - hidden.size} of ${options.length})`;
  return element(
    "details",
    { id: `${noun}-list`, class: "checks" },
    element("summary", {}, summary),
    element(
      "fieldset",
      {},
      element("legend", { class: "spoken" }, `${title} that are shown`),
      element("div", { class: "both" }, button("all", []), button("none", places(options))),
      options.map(item),
    ),
  );
}

// Lists that hang over the page close like menus do; on a phone they lie in the page.
function closeLists(event) {
  const away = event.type === "click" && event.isTrusted;
  if (event.key !== "Escape" && !(away && WIDE.matches)) return;
  for (const list of document.querySelectorAll(".checks[open]")) {
    const inside = list.contains(event.target);
    if (away && (inside || !event.target.isConnected)) continue;
    list.open = false;
    if (inside) list.querySelector("summary").focus();
  }
}

function shownInWords() {
  const some = (shown, all, noun) =>
    shown === all ? `all ${count(all, noun)}` : `${shown} of ${count(all, noun)}`;
  const parts = [
    some(shownDefenses().length, content.defenses.length, "defense"),
    some(shownThreats().length, content.threats.length, "threat"),
  ];
  if (content.settings.length > 1) parts.push(`setting: ${content.settings[state.setting].label}`);
  return `Shown: ${parts.join("; ")}.`;
}
