// The tail of events, newest first. Paused, it goes on collecting and shows what came meanwhile afterwards.

import { byId, el, say } from "./element.js";

// Shown, and remembered to know what comes twice.
const MOST = 300;
const KNOWN = 5000;

const known = new Set();
let waiting = [];
let paused = false;

export function begin() {
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", paused);
    flush();
  });
  byId("filter").addEventListener("input", () => [...byId("tail").children].forEach(sift));
}

export function add(event) {
  if (known.has(event.id)) return;
  known.add(event.id);
  if (known.size > KNOWN) known.delete(known.values().next().value);
  waiting.push(event);
  if (waiting.length > MOST) waiting = waiting.slice(-MOST);
  if (!paused) requestAnimationFrame(flush);
  else label();
}

function flush() {
  if (!paused) {
    const tail = byId("tail");
    for (const event of waiting) tail.prepend(line(event));
    waiting = [];
    while (tail.childElementCount > MOST) tail.lastElementChild.remove();
  }
  label();
}

function label() {
  say(byId("pause"), paused ? `Go on (${waiting.length} new)` : "Pause");
  const hidden = byId("tail").querySelectorAll("li[hidden]").length;
  say(byId("events").querySelector(".count"), hidden ? `${byId("tail").childElementCount - hidden} match` : "");
}

function line(event) {
  const at = new Date(event.time);
  const clock = at.toLocaleTimeString("en-GB") + "." + String(at.getMilliseconds()).padStart(3, "0");
  const summary = el("summary", {}, el("time", { dateTime: event.time, title: event.time }, clock),
    el("span", { class: "type" }, event.type), el("span", { class: "about" }, `${event.publisher} · ${event.resource_id}`));
  const details = el("details", {}, summary);
  // made when somebody looks: most are never looked at
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("pre")) details.append(el("pre", {}, JSON.stringify(event, null, 2)));
  });
  const item = Object.assign(el("li", {}, details), { text: JSON.stringify(event).toLowerCase() });
  sift(item);
  return item;
}

function sift(item) {
  const wanted = byId("filter").value.trim().toLowerCase();
  item.hidden = wanted !== "" && !item.text.includes(wanted);
  label();
}
