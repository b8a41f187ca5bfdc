// Messages of an actor that come late or not at all for a while: asked for, watched, and lifted.

import { busy, isShown, offer, over, send, show } from "./act.js";
import { byId, el, say, sentence } from "./element.js";

// How often the page asks what a fault has done so far.
const EVERY = 1000;

const KINDS = {
  delay: {
    label: "Delay",
    text: "Every message to it is taken later, in the order in which they come.",
    fields: [["ms", "Milliseconds later", 500, 10000], ["seconds", "For seconds", 30, 300]],
    fault: ({ ms }) => ({ delay: { ms } }),
  },
  drop: {
    label: "Drop",
    text: "The next messages to it are refused: a request fails at once, an event comes again. The end of a leg is never dropped.",
    fields: [["count", "Messages at most", 10, 1000], ["seconds", "Within seconds", 30, 60]],
    fault: ({ count }) => ({ drop: { count } }),
  },
};

// What takes messages of others may have a fault.
export function faults(node, path, { kind, fault }) {
  if (fault) {
    offer("Watch the fault…", "", () => {
      const now = show(`The fault at ${path}`, `on ${node}`);
      watch(now, { node, path }, () => send("hindered", { node, path }));
    });
  } else if (["pool", "live", "actor"].includes(kind)) {
    for (const what of ["delay", "drop"]) offer(`${KINDS[what].label}…`, "", () => ask(node, path, KINDS[what]));
  }
}

function ask(node, path, { label, text, fields, fault }) {
  const now = show(`${label} messages of ${path}?`, `${text} It ends by itself. On ${node}.`);
  const inputs = fields.map(([name, , value, max]) =>
    el("input", { type: "number", name, min: 1, max, step: 1, value, required: true }));
  byId("dialog-fields").replaceChildren(...inputs.map((input, at) => el("label", {}, fields[at][1], input)));
  const begin = () => {
    if (!inputs.every((input) => input.reportValidity())) return;
    const given = Object.fromEntries(inputs.map((input) => [input.name, input.valueAsNumber]));
    watch(now, { node, path }, () => send("hinder", { node, path, fault: fault(given), seconds: given.seconds }));
  };
  // the form's own way would be its first button, which closes it
  byId("dialog-fields").onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    begin();
  };
  offer(label, "danger", begin);
}

// Shows what it does until it has ended, or nobody looks any more.
async function watch(now, at, begin) {
  busy();
  try {
    let report = await begin();
    if (!isShown(now)) return;
    byId("dialog-fields").replaceChildren();
    byId("dialog-buttons").replaceChildren(el("button", { type: "submit" }, "Close"));
    offer("Lift it", "main", () => send("lift", at).catch(() => {}));
    while (!report.has_ended) {
      say(byId("dialog-effect"), `Until ${new Date(report.until).toLocaleTimeString()}. So far: ${report.effect}.`);
      await new Promise((then) => setTimeout(then, EVERY));
      if (!isShown(now)) return;
      report = await send("hindered", at);
    }
    if (isShown(now)) over(`It has ended. ${sentence(report)}`);
  } catch (error) {
    if (isShown(now)) over(`It was refused: ${error.message}.`);
  }
}
