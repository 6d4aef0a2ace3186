// The list of runs: live and finished, searched by the server, which knows them all.

import { h, later, replace } from "./dom.js";
import { count } from "./format.js";
import { swap } from "./figure.js";

const [EVERY, REST] = [3000, 20]; // milliseconds between two looks at the runs, and at least so many times what one took

// Draws the list, and keeps it as it is on the disk until what it returns is called.
export function drawRuns(main, state, told) {
  const box = h("div", { class: "runs" });
  const amount = h("span", { class: "quiet", role: "status" });
  let [shown, turn, ended] = [null, 0, false];
  const load = async () => {
    const mine = ++turn;
    const search = input.value;
    const listed = await state.source.runs({ search }).catch((error) => ({ failed: error.message }));
    if (ended || mine !== turn) return;
    const said = JSON.stringify([search, listed]);
    if (said !== shown) list(listed, search);
    shown = said;
  };
  const list = (listed, search) => {
    if (listed.failed) {
      replace(amount, listed.failed);
      return;
    }
    told(listed.root ?? "");
    const [found, total] = [listed.runs, listed.total ?? listed.runs.length];
    replace(amount, total > found.length ? `The newest ${found.length} of ${count(total, "run")}; the search finds the others.` : count(total, "run"));
    swap(box, found.length ? h("div", {}, found.map(row)) : search ? h("p", { class: "quiet" }, "No run has all of these words.") : none());
  };
  const input = h("input", { type: "search", placeholder: "name, model, optimizer, finding", oninput: later(150, load) });
  main.append(h("div", { class: "controls" }, h("label", {}, "Search", input), amount), box);
  const watch = async () => {
    const begin = performance.now();
    if (!document.hidden) await load();
    if (!ended) setTimeout(watch, Math.max(EVERY, REST * (performance.now() - begin)));
  };
  watch();
  return () => (ended = true);
}

function none() {
  return h("section", { class: "panel missing" }, h("h2", {}, "No run yet"), h("p", {}, "A run appears here as soon as a training is recorded:"), h("pre", {}, "headwater run train.py"));
}

function row(run) {
  const models = (run.models ?? []).map((each) => each.kind ?? each).join(", ");
  const unreadable = run.status === "unreadable" && run.notes?.[0];
  return h(
    "a",
    { href: `#${new URLSearchParams({ r: run.id })}`, class: run.verdict?.tone ?? "", title: `Open ${run.name}` },
    h("strong", {}, run.name),
    h("span", { class: `chip ${run.live ? "live" : ""}` }, run.live ? "live" : run.status),
    h("span", {}, run.verdict?.headline ?? (unreadable || (run.live ? "not judged yet" : "not judged"))),
    h("small", {}, [models, count(run.steps ?? 0, "step"), local(run.started)].filter(Boolean).join(" · ")),
  );
}

// When it began, by the reader's clock.
function local(started) {
  const date = new Date(started ?? "");
  return Number.isNaN(date.getTime()) ? "" : date.toLocaleString("sv-SE").slice(0, 16);
}
