// The trees of all nodes. Domains are closed until they are opened, or until something is wrong inside.

import { actor } from "./act.js";
import { age, byId, el, keyed, say } from "./element.js";
import { dotOf, head, update as updateHead } from "./nodes.js";

export function forest(nodes) {
  keyed(byId("forest"), nodes, (node) => node.node, plant, (item, node) => {
    item.data.node = node;
    updateHead(item.head, node);
    say(item.error, node.error);
    item.error.hidden = !node.error;
    below(item.list, node.node, "", node.tree ? node.tree.children : []);
  });
}

function plant() {
  const data = {};
  const [top, list] = [head(data), el("ul", { class: "branch" })];
  const error = el("div", { class: "node-error", hidden: true });
  return Object.assign(el("div", {}, top, error, list), { data, head: top, list, error });
}

function below(list, node, path, places) {
  const make = (place) => row(node, path ? `${path}/${place.name}` : place.name);
  keyed(list, places, (place) => place.name, make, (item, place) => fill(item, node, place));
}

function row(node, path) {
  const item = el("li");
  const fold = el("button", { type: "button", class: "fold" });
  const [dot, name, state, error] = ["", "name", "state", "error"].map((kind) => el("span", { class: kind }));
  const [depth, restarts, old] = ["depth", "restarts", "age"].map((kind) => el("span", { class: kind }));
  const figures = el("span", { class: "figures" }, restarts, depth, old);
  const act = el("button", { type: "button", class: "act small" }, "Act…");
  act.setAttribute("aria-label", `Act on ${path}`);
  act.addEventListener("click", () => actor(node, path, item.place));
  const [list, more] = [el("ul", { class: "branch" }), el("div", { class: "more" })];
  fold.addEventListener("click", () => {
    item.chosen = !isOpen(item);
    openOrClose(item);
  });
  item.append(el("div", { class: "row" }, fold, dot, name, state, error, figures, act), list, more);
  return Object.assign(item, { path, fold, dot, name, state, error, depth, restarts, old, list, more });
}

function fill(item, node, place) {
  item.place = place;
  item.dot.className = dotOf(place.state);
  item.dot.title = place.state;
  say(item.name, place.name);
  item.name.title = `${place.kind} ${item.path}`;
  say(item.state, [place.state === "running" ? "" : place.state, place.fault].filter(Boolean).join(", "));
  item.state.title = place.fault;
  say(item.error, place.last_error);
  item.error.title = place.last_error;
  figure(item.depth, depthOf(place), place.kind === "live" ? "live" : "waiting");
  const restarts = sum(place, "restarts");
  figure(item.restarts, restarts, restarts === 1 ? "restart" : "restarts");
  say(item.old, age(place.age_ms));
  item.fold.classList.toggle("none", place.children.length === 0);
  item.fold.tabIndex = place.children.length === 0 ? -1 : 0;
  openOrClose(item);
  below(item.list, node, item.path, isOpen(item) ? place.children : []);
  item.more.hidden = !isOpen(item) || !place.more;
  say(item.more, `and ${place.more} more`);
}

// Zeros are not worth a look.
function figure(node, count, what) {
  say(node, count > 0 ? `${count} ${what}` : "");
}

// What a domain has waiting is what its parts have; what lives in it is not waiting.
function depthOf(place) {
  if (place.kind !== "supervisor") return place.depth;
  return place.children.filter((child) => child.kind !== "live").reduce((all, child) => all + depthOf(child), 0);
}

function sum(place, name) {
  return place.children.reduce((all, child) => all + sum(child, name), place[name]);
}

function isWell(place) {
  return place.state === "running" && !place.fault && place.children.every(isWell);
}

function isOpen(item) {
  return item.chosen ?? (item.place.children.length > 0 && !isWell(item.place));
}

function openOrClose(item) {
  const open = isOpen(item);
  item.fold.setAttribute("aria-expanded", open);
  item.fold.setAttribute("aria-label", `${open ? "Close" : "Open"} ${item.path}`);
  say(item.fold, open ? "▾" : "▸");
  item.list.hidden = !open;
  if (open && item.place.children.length > 0 && item.list.childElementCount === 0) {
    below(item.list, nodeOf(item), item.path, item.place.children);
  }
}

function nodeOf(item) {
  return item.closest("#forest > div")?.data.node.node;
}
