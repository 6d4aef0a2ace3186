// The list of runs: search, live and finished.

import { h, replace } from "./dom.js";
import { count } from "./format.js";

export function drawRuns(main, listed, state) {
  const box = h("div", { class: "runs" });
  const show = (words) => replace(box, rows(listed.runs, words.toLowerCase().split(/\s+/).filter(Boolean)));
  const search = h("input", { type: "search", placeholder: "name, model, optimizer, finding", oninput: (event) => show(event.target.value) });
  main.append(h("div", { class: "controls" }, h("label", {}, "Search", search), h("span", { class: "quiet" }, count(listed.runs.length, "run"))), box);
  show("");
  if (!listed.runs.length) {
    replace(box, h("section", { class: "panel missing" }, h("h2", {}, "No run yet"), h("p", {}, "A run appears here as soon as a training is recorded:"), h("pre", {}, "headwater run train.py")));
  }
}

function rows(runs, words) {
  const found = runs.filter((run) => words.every((word) => said(run).includes(word)));
  return found.length ? found.map(row) : h("p", { class: "quiet" }, "No run has all of these words.");
}

function row(run) {
  const models = (run.models ?? []).map((each) => each.kind ?? each).join(", ");
  return h(
    "a",
    { href: `#${new URLSearchParams({ r: run.id })}`, class: run.verdict?.tone ?? "" },
    h("strong", {}, run.name),
    h("span", { class: `chip ${run.live ? "live" : ""}` }, run.live ? "live" : run.status),
    h("span", {}, run.verdict?.headline ?? "not judged yet"),
    h("small", {}, [models, count(run.steps ?? 0, "step"), (run.started ?? "").slice(0, 16).replace("T", " ")].filter(Boolean).join(" · ")),
  );
}

function said(run) {
  return JSON.stringify([run.name, run.models, run.optimizers, run.status, run.verdict]).toLowerCase();
}
