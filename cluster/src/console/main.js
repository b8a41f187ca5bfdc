// The page: signed in or not, and the stream that keeps it alive.

import { send, whenSignedOut } from "./act.js";
import { byId, say } from "./element.js";
import { header } from "./nodes.js";
import { calls, domains, letters } from "./tables.js";
import { add, begin } from "./tail.js";
import { forest } from "./tree.js";

let stream = null;
// The next attempt, after a refusal that may pass.
let again;

function signIn(message = "") {
  clearTimeout(again);
  stream?.close();
  byId("app").hidden = true;
  byId("sign-in").hidden = false;
  if (byId("dialog").open) byId("dialog").close();
  say(byId("sign-in-fault"), message);
  byId("token").focus();
}

function link(word, isLost) {
  say(byId("link"), word);
  byId("link").classList.toggle("lost", isLost);
}

function fault(message) {
  say(byId("fault"), message);
  byId("fault").hidden = message === "";
}

function show(state) {
  fault(state.fault ?? "");
  link(`live · seen from ${state.asked}`, false);
  header(state.nodes);
  forest(state.nodes);
  domains(state.nodes);
  calls(state);
  letters(state);
}

function watch() {
  clearTimeout(again);
  stream?.close();
  stream = new EventSource("api/live");
  stream.addEventListener("open", () => {
    byId("sign-in").hidden = true;
    byId("app").hidden = false;
  });
  stream.addEventListener("state", (message) => show(JSON.parse(message.data)));
  stream.addEventListener("event", (message) => {
    const event = JSON.parse(message.data);
    if (event) add(event);
  });
  stream.addEventListener("error", lost);
}

// A browser tries again by itself when the connection broke, and gives up when it was refused.
async function lost() {
  if (stream.readyState !== EventSource.CLOSED) return link("connection lost, trying again", true);
  const answer = await fetch("api/live", { method: "HEAD" }).catch(() => null);
  if (answer?.status === 401) return signIn();
  // also before the first answer: an empty page says nothing
  if (byId("sign-in").hidden) byId("app").hidden = false;
  link("the node does not answer, trying again", true);
  again = setTimeout(watch, 3000);
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await send("session", { token: byId("token").value.trim() });
    byId("token").value = "";
    watch();
  } catch (error) {
    say(byId("sign-in-fault"), error.message);
  }
});
byId("sign-out").addEventListener("click", async () => {
  await send("session", {}, "DELETE").catch(() => {});
  signIn();
});
whenSignedOut(() => signIn("The session has ended."));
begin();
watch();
