// Text for the clipboard.

async function copied(text, beside) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return selected(text, beside); // a browser that grants no clipboard to files
  }
}

// The field lies beside the button: outside an open dialog nothing can be selected.
function selected(text, beside) {
  const field = element("textarea", { class: "spoken", readonly: true });
  field.value = text;
  beside.after(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  beside.focus();
  return done;
}

function copyButton(label, text) {
  const said = element("span", { class: "said", role: "status" });
  const click = async () => {
    const done = await copied(text(), button);
    said.textContent = done ? "Copied." : "The browser refused; select the text and copy it.";
    setTimeout(() => (said.textContent = ""), 4000);
  };
  const button = element("button", { type: "button", class: "copy", click }, label);
  return element("span", { class: "copying" }, button, said);
}

function csv({ head, rows }) {
  return [head, ...rows].map((row) => row.map(csvField).join(",")).join("\r\n") + "\r\n";
}

// A spreadsheet would run text that begins like a formula.
function csvField(value) {
  if (value == null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
