// A page that is served while runs go on asks what is new.

const PAUSE = 3000; // milliseconds
const LIVE = document.documentElement.hasAttribute("data-live");

let gone = false; // whether the server did not answer when last asked
let told = ""; // what it answered

function liveSign() {
  if (!LIVE) return null;
  return element("p", { id: "live", role: "status", class: gone ? "gone" : null }, liveWords());
}

function liveWords() {
  if (gone) return "The server is gone. This is the last that it said.";
  const number = (state) => content.cells.filter((cell) => cell.state === state).length;
  const possible = content.cells.length - number("undefined");
  return `live: ${number("done")} of ${count(possible, "cell")} done`;
}

async function follow() {
  try {
    const answer = await fetch("data.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(`data.json: ${answer.status}`);
    const text = await answer.text();
    if (text !== told) refresh(text);
    told = text;
    gone = false;
  } catch {
    gone = true;
  }
  document.getElementById("live").replaceWith(liveSign());
  setTimeout(follow, PAUSE);
}

// The address holds the choices by name: they survive whatever is new.
function refresh(text) {
  take(text);
  readAddress();
  render();
}
