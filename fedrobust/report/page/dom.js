// Elements, made without ever reading text as HTML.

function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return node;
}

// For screen readers alone.
function spoken(text) {
  return element("span", { class: "spoken" }, text);
}

function section(id, title, ...children) {
  const heading = element("h2", { id: `${id}-title`, tabindex: "-1" }, title);
  return element("section", { id, "aria-labelledby": heading.id }, heading, ...children);
}

function paragraph(text, kind = null) {
  return element("p", { class: kind }, text);
}

function select(id, label, options, chosen, act) {
  const choices = options.map(([value, text]) =>
    element("option", { value, selected: String(value) === String(chosen) }, text),
  );
  const change = (event) => act(event.target.value);
  return element(
    "label",
    { class: "choice" },
    element("span", {}, label),
    element("select", { id, change }, choices),
  );
}
