// Domains, live calls and dead letters.

import { replay, replayAll } from "./act.js";
import { age, byId, el, keyed, say } from "./element.js";

// The cells of a table's row, each written only when it changed.
function rows(section, items, key, cells) {
  const body = byId(section).querySelector("tbody");
  const make = (item) => el("tr", {}, ...cells(item).map(([kind]) => el("td", { class: kind })));
  keyed(body, items, key, make, (row, item) => {
    row.title = item.id ?? "";
    cells(item).forEach(([kind, text], at) => {
      row.children[at].className = kind;
      say(row.children[at], text);
    });
  });
}

const rate = (value) => (value === 0 ? "0" : value < 10 ? value.toFixed(1) : Math.round(value).toString());
const time = (value) => (value === 0 ? "–" : value < 1000 ? `≤${value} ms` : `≤${value / 1000} s`);

export function domains(nodes) {
  byId("domains").classList.toggle("one", nodes.length < 2);
  const all = nodes.flatMap((node) => Object.entries(node.domains).map(([name, pace]) => ({ ...pace, name, node: node.node })));
  all.sort((a, b) => b.per_second - a.per_second || a.name.localeCompare(b.name));
  rows("domains", all, (domain) => `${domain.node}/${domain.name}`, (domain) => [
    ["", domain.name],
    ["many soft", domain.node],
    ["n", rate(domain.per_second)],
    [domain.failed_per_second > 0 ? "n bad" : "n", rate(domain.failed_per_second)],
    ["n", time(domain.p50)],
    ["n", time(domain.p95)],
    ["n", time(domain.p99)],
    ["n soft", domain.requests.toLocaleString("en")],
  ]);
}

export function calls(state) {
  const count = state.more_calls ? `the newest ${state.calls.length}` : `${state.calls.length}`;
  say(byId("calls").querySelector(".count"), count);
  const now = Date.parse(state.at);
  rows("calls", state.calls, (call) => call.id, (call) => [
    ["", call.from],
    ["", call.to],
    ["", call.status],
    ["", call.step || "–"],
    ["n", age(now - Date.parse(call.since))],
    ["soft", call.direction],
    ["soft mono", call.id.slice(0, 8)],
  ]);
}

export function letters(state) {
  say(byId("dead").querySelector(".count"), state.dead === 0 ? "none" : `${state.dead}`);
  const all = byId("replay-all");
  all.hidden = state.dead === 0;
  all.onclick = () => replayAll(state.dead);
  const make = (letter) => {
    const [title, text] = [el("strong"), el("div")];
    const again = el("button", { type: "button", class: "small", onclick: () => replay(letter) }, "Replay…");
    return Object.assign(el("li", {}, el("div", { class: "what" }, title, text), again), { title2: title, text });
  };
  keyed(byId("letters"), state.letters, (letter) => letter.id, make, (item, letter) => {
    say(item.title2, `${letter.type} → ${letter.follower}`);
    say(item.text, `${letter.error} · ${letter.tries} tries · ${new Date(letter.time).toLocaleString()}`);
  });
}
