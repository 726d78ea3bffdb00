// How the page begins: what was compared, and how much of it is done.

function opening() {
  return [
    element("div", { class: "bar" }, themeSwitch(), liveSign()),
    element("h1", {}, content.name),
    element("p", { class: "lead" }, compared()),
    content.warnings.length > 0 &&
      element("ul", { class: "notice", "aria-label": "Warnings" }, content.warnings.map(warning)),
    contents(),
  ];
}

function warning(text) {
  return element("li", {}, element("b", {}, "Careful: "), text);
}

function compared() {
  const seeds = Math.max(0, ...content.cells.map((cell) => cell.runs.length));
  const sizes = [
    count(content.defenses.length, "defense"),
    threatsInWords(),
    content.settings.length > 1 && count(content.settings.length, "setting"),
    count(seeds, "seed"),
  ];
  return `${sizes.filter(Boolean).join(" \u00d7 ")}: ${doneInWords()}.`;
}

function threatsInWords() {
  const attacking = attacks().length;
  const nobody = attacking < content.threats.length && "nobody";
  return listed([attacking > 0 && count(attacking, "attack"), nobody].filter(Boolean));
}

function doneInWords() {
  const number = (state) => content.cells.filter((cell) => cell.state === state).length;
  const runs = count(sum(content.cells.map((cell) => cell.runs.length)), "run");
  const complete = number("partly") + number("missing") === 0;
  const cells = `${number("done")} of ${count(content.cells.length, "cell")} done`;
  const rest = [
    [number("partly"), "with some seeds missing"],
    [number("missing"), "missing"],
    [number("undefined"), complete ? "of the cells not defined" : "not defined"],
  ];
  const words = rest.filter(([size]) => size).map(([size, word]) => `${size} ${word}`);
  return [runs, complete ? "all done" : cells, ...words].join(", ");
}

// Links that leave the address alone, which holds the reader's choices.
function contents() {
  const link = (node) => {
    const click = (event) => {
      event.preventDefault();
      const title = document.getElementById(node.id);
      title.scrollIntoView({ block: "start" });
      title.focus({ preventScroll: true });
    };
    return element("li", {}, element("a", { href: `#${node.id}`, click }, node.textContent));
  };
  const titles = [...document.querySelectorAll("main h2")];
  return element("nav", { "aria-label": "Contents" }, element("ol", {}, titles.map(link)));
}
