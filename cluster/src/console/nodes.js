// The nodes in the header, and above each tree what is done to a whole node.

import { drain, log } from "./act.js";
import { byId, el, keyed, say } from "./element.js";

const LEVELS = ["error", "warn", "info", "debug", "trace"];

export const dotOf = (state) => `dot ${state === "no answer" ? "silent" : state}`;

export function header(nodes) {
  const make = () => {
    const [dot, name, word] = [el("span"), el("strong"), el("span", { class: "soft" })];
    return Object.assign(el("li", {}, dot, name, word), { dot, name, word });
  };
  keyed(byId("nodes"), nodes, (node) => node.node, make, (item, node) => {
    item.dot.className = dotOf(node.state);
    item.title = node.error;
    say(item.name, node.node);
    say(item.word, node.state);
  });
}

// The line above a tree. `data.node` is the latest state of its node.
export function head(data) {
  const [dot, name, word] = [el("span"), el("strong"), el("span", { class: "soft" })];
  const select = el("select", { "aria-label": "Log level" });
  select.addEventListener("change", () => {
    log(data.node.node, select.value);
    select.shown = "";
    update(head, data.node);
  });
  const stop = el("button", { type: "button", class: "small", onclick: () => drain(data.node.node) }, "Stop…");
  const label = el("label", {}, "log ", select);
  const head = el("div", { class: "node-head" }, dot, name, word, el("span", { class: "push" }, label, stop));
  return Object.assign(head, { dot, name, word, select, stop, label });
}

export function update(head, node) {
  head.dot.className = dotOf(node.state);
  say(head.name, node.node);
  say(head.word, [node.state, node.version].filter(Boolean).join(" · "));
  head.stop.hidden = head.label.hidden = node.tree === null;
  head.stop.setAttribute("aria-label", `Stop the node ${node.node}`);
  if (head.select.shown === node.log || document.activeElement === head.select && head.select.shown) return;
  const levels = LEVELS.includes(node.log) ? LEVELS : [node.log, ...LEVELS];
  head.select.replaceChildren(...levels.map((level) => el("option", { value: level }, level || "not set")));
  head.select.value = node.log;
  head.select.shown = node.log;
}
