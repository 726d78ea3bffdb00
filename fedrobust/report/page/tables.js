// Tables that can be sorted, and plain ones.

// Columns say `value` of a row, to sort by, and `cell`, to show.  `redraw` names their section.
function sortableTable({ name, caption, columns, rows, initial, redraw, kind = null }) {
  const chosen = (state.sorts[name] ?? initial).split(":");
  const known = columns.some((column) => column.name === chosen[0]);
  const [by, direction] = known ? chosen : initial.split(":");
  const sorted = inOrder(rows, columns.find((column) => column.name === by), direction);
  const heads = columns.map((column) => sortHead(name, column, by, direction, redraw));
  const body = sorted.map((row) => element("tr", {}, columns.map((column) => cellOf(column, row))));
  return scrolling(
    name,
    caption,
    element(
      "table",
      { id: name, class: kind },
      element("caption", {}, element("span", {}, caption)),
      element("thead", {}, element("tr", {}, heads)),
      element("tbody", {}, body),
    ),
  );
}

function sortHead(table, { name, title, explain, first = "descending" }, by, direction, redraw) {
  const current = name === by ? direction : null;
  const other = { ascending: "descending", descending: "ascending" };
  const next = current ? other[current] : first;
  const click = () => choose({ sorts: { ...state.sorts, [table]: `${name}:${next}` } }, redraw);
  const arrow = { ascending: "\u2191", descending: "\u2193" }[current];
  return element(
    "th",
    { scope: "col", "aria-sort": current ?? "none" },
    element(
      "button",
      { type: "button", id: `sort-${table}-${name}`, class: "sort", title: explain, click },
      title,
      current && element("span", { class: "arrow", "aria-hidden": "true" }, ` ${arrow}`),
    ),
  );
}

// What has no value comes last, whatever the direction.
function inOrder(rows, column, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  const order = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en") : a - b);
  const [known, unknown] = [[], []];
  for (const row of rows) (column.value(row) == null ? unknown : known).push(row);
  known.sort((a, b) => sign * order(column.value(a), column.value(b)));
  return [...known, ...unknown];
}

function cellOf(column, row) {
  if (column.head) return element("th", { scope: "row" }, column.cell(row));
  const content = column.cell(row);
  return content instanceof HTMLTableCellElement ? content : element("td", {}, content);
}

// A table too wide for a phone scrolls in a box of its own, which a keyboard reaches, too.
function scrolling(name, label, table) {
  const attributes = { id: `${name}-box`, class: "wide", role: "region", "aria-label": label };
  const box = element("div", { ...attributes, tabindex: "0" }, table);
  boxes.observe(box);
  return box;
}

// `head` and `rows` are texts and numbers; the first column names each row.
function plainTable({ head, rows }, caption) {
  const show = (value) => (typeof value === "string" ? value : short(value, "number"));
  const cell = (value, column) =>
    column ? element("td", {}, show(value)) : element("th", { scope: "row" }, show(value));
  const heads = head.map((text) => element("th", { scope: "col" }, text));
  return element(
    "table",
    {},
    element("caption", { class: "spoken" }, caption),
    element("thead", {}, element("tr", {}, heads)),
    element("tbody", {}, rows.map((row) => element("tr", {}, row.map(cell)))),
  );
}

// The column that names the defense of each row.
function defenseColumn() {
  return {
    name: "defense",
    title: "Defense",
    first: "ascending",
    head: true,
    value: ({ defense }) => defenseName(defense),
    cell: ({ defense }) => signed(defense),
  };
}
