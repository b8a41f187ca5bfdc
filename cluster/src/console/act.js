// What an operator does: every act is asked for once more, with what it does to users.

import { byId, el, say, sentence } from "./element.js";
import { faults } from "./fault.js";

let signedOut = () => {};

export function whenSignedOut(then) {
  signedOut = then;
}

// Sends a request of the page. An error is a message for a person.
export async function send(path, body, method = "POST") {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`api/${path}`, { method, headers, body: JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401 && path !== "session") signedOut();
  if (!answer.ok) throw new Error(said.message ?? `the node answered ${answer.status}`);
  return said;
}

// Which opening of the dialog an answer belongs to: one that comes late belongs to none.
let opening = 0;

export const isShown = (now) => now === opening && byId("dialog").open;

export function show(title, text) {
  opening += 1;
  say(byId("dialog-title"), title);
  say(byId("dialog-text"), text);
  say(byId("dialog-effect"), "");
  byId("dialog-fields").replaceChildren();
  byId("dialog-buttons").replaceChildren(el("button", { type: "submit" }, "Cancel"));
  if (!byId("dialog").open) byId("dialog").showModal();
  return opening;
}

export function offer(label, kind, then) {
  byId("dialog-buttons").append(el("button", { type: "button", class: kind, onclick: then }, label));
}

// Does it, and shows what came of it.
async function carryOut(now, work, told) {
  busy();
  let text;
  try {
    text = told(await work());
  } catch (error) {
    text = `It was refused: ${error.message}.`;
  }
  if (now !== opening) return;
  over(text);
}

// Nothing is pressed twice.
export function busy() {
  byId("dialog-buttons").querySelectorAll("button").forEach((button) => (button.disabled = true));
}

export function over(text) {
  say(byId("dialog-effect"), text);
  const close = el("button", { type: "submit", class: "main" }, "Close");
  byId("dialog-buttons").replaceChildren(close);
  close.focus();
}

export function actor(node, path, { kind, fault }) {
  show(`${path} on ${node}`, "Restart lets it end in its own way and starts it again. Kill ends it in the middle of whatever it does; its supervisor deals with it like a crash.");
  offer("Restart…", "", () => rehearse(node, path, kind, "restart"));
  offer("Kill…", "danger", () => rehearse(node, path, kind, "kill"));
  faults(node, path, { kind, fault });
}

async function rehearse(node, path, kind, act) {
  const now = show(`${act === "kill" ? "Kill" : "Restart"} ${path}?`, `${kind} on ${node}. At this moment it would do this to users:`);
  try {
    const would = await send("act", { node, path, act, rehearse: true });
    if (now !== opening) return;
    if (!would.found) return say(byId("dialog-effect"), "No actor runs there at the moment.");
    say(byId("dialog-effect"), sentence(would));
  } catch (error) {
    if (now === opening) say(byId("dialog-effect"), `It cannot be told: ${error.message}.`);
    return;
  }
  const work = () => send("act", { node, path, act, rehearse: false });
  const told = (done) => (done.found ? `Done. ${sentence(done)}` : "No actor runs there any more.");
  offer(act === "kill" ? "Kill" : "Restart", act === "kill" ? "danger" : "main", () => carryOut(now, work, told));
}

export function drain(node) {
  const now = show(`Stop the node ${node}?`, "It takes no new requests and calls, lets what is live end for a while, leaves the rest to its next start, and exits.");
  const told = () => `${node} has begun to stop.`;
  offer("Stop it", "danger", () => carryOut(now, () => send("drain", { node }), told));
}

export function log(node, directives) {
  const now = show(`Log ${directives} on ${node}?`, "It holds until it is changed again or the process ends.");
  const told = (done) => `${node} logs ${done.directives}.`;
  offer("Change it", "main", () => carryOut(now, () => send("log", { node, directives }), told));
}

export function replay(letter) {
  const now = show(`Publish ${letter.type} again?`, `All followers get it again under the same id. ${letter.follower} could not take it: ${letter.error}`);
  offer("Replay", "main", () => carryOut(now, () => send("replay", { id: letter.id }), () => "It was published again."));
}

export function replayAll(count) {
  const now = show(`Publish ${count} dead letters again?`, "At most 1000 at a time. What fails again is set aside again.");
  const told = (done) => `${done.replayed} published again, ${done.failed} not${done.error ? `: ${done.error}` : ""}.`;
  offer("Replay all", "main", () => carryOut(now, () => send("replay", { all: true }), told));
}
