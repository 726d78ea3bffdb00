// What came out, in words: of every setting the worst case, of the chosen one each threat.

function headlines() {
  const title = "In words";
  if (!content.headlines.length)
    return section("headlines", title, paragraph("Nothing is known yet."));
  const here = content.headlines.filter(({ setting }) => setting === state.setting);
  const each = here.filter(({ threat }) => threat !== null && !state.hiddenThreats.has(threat));
  const whole = here.filter(({ threat }) => threat === null);
  return section(
    "headlines",
    title,
    paragraph("Over all defenses and threats of the study, whatever is filtered.", "hint"),
    content.settings.length > 1
      ? settingLines()
      : whole.map((headline) => element("p", { class: "first" }, sentence(headline))),
    each.length > 0 &&
      element("ul", { class: "headlines" }, each.map((one) => element("li", {}, sentence(one)))),
  );
}

function sentence({ best, text }) {
  return [best.length > 0 && sign(best[0]), text];
}

function settingLines() {
  const line = ({ label }, setting) => {
    const worst = content.headlines.find((one) => one.setting === setting && one.threat === null);
    const chosen = setting === state.setting;
    const click = () => choose({ setting });
    const button = { type: "button", id: `setting-${setting}`, "aria-pressed": `${chosen}`, click };
    return element(
      "li",
      { class: chosen ? "chosen" : null },
      element("button", button, label),
      element("span", {}, worst ? sentence(worst) : "Nothing is known of all attacks together."),
    );
  };
  return [
    element("ul", { class: "settings", "aria-label": "Settings" }, content.settings.map(line)),
    element("p", {}, "All below is of ", element("strong", {}, content.settings[state.setting].label), "."),
  ];
}
