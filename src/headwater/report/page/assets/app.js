// The page around the views: which run, which report of it, which view, all of it in the address.

import { every, h, replace } from "./dom.js";
import { disposeAll } from "./figure.js";
import { drawRuns } from "./runs.js";
import { startTheme, toggleTheme } from "./theme.js";
import { compareView } from "./views/compare.js";
import { flowView } from "./views/flow.js";
import { historyView } from "./views/history.js";
import { layerView } from "./views/layer.js";
import { rateView } from "./views/rate.js";
import { remediesView } from "./views/remedies.js";
import { sourceView } from "./views/source.js";
import { timeView } from "./views/time.js";
import { verdictView } from "./views/verdict.js";

const VIEWS = [verdictView, flowView, sourceView, historyView, layerView, timeView, rateView, remediesView, compareView];

export function start(source) {
  startTheme();
  const state = { source, id: null, overview: null, report: null, stop: null, drawn: 0, go };
  document.body.classList.add("scripted");
  document.getElementById("reading")?.remove();
  const parts = frame(state);
  addEventListener("hashchange", () => show(state, parts));
  document.addEventListener("click", follow);
  addEventListener("keydown", (event) => key(event, state));
  show(state, parts);
}

// Changes the address, and with it what is shown; what is not named stays.
function go(changes) {
  const query = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, String(value));
  }
  location.hash = query.toString();
}

// A link within the page, followed by hand: in a notebook's frame its address would be that of the notebook.
function follow(event) {
  const link = event.target.closest('a[href^="#"]');
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  location.hash = link.getAttribute("href").slice(1);
}

function frame(state) {
  const parts = {
    subject: h("span", { class: "subject" }),
    status: h("span", { class: "chip", hidden: true }),
    select: h("select", { "aria-label": "Report", hidden: true, onchange: (event) => go({ o: event.target.value }) }),
    nav: h("nav", { class: "views", "aria-label": "Views" }),
    main: h("main", { id: "main", tabindex: "-1" }),
    footer: h("footer", {}),
  };
  const theme = h("button", { type: "button", class: "tool", title: "Light or dark (t)", "aria-label": "Light or dark", onclick: toggleTheme }, "◐");
  const brand = h("a", { class: "brand", href: "#" }, h("i", { "aria-hidden": "true" }), "Headwater");
  document.body.prepend(
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); parts.main.focus(); } }, "To the view"),
    h("header", { class: "top" }, h("div", { class: "bar" }, brand, parts.subject, parts.status, parts.select, theme), parts.nav),
    parts.main,
    parts.footer,
  );
  return parts;
}

async function show(state, parts) {
  const query = new URLSearchParams(location.hash.slice(1));
  const turn = ++state.drawn;
  try {
    if (state.source.live && !query.get("r")) {
      leave(state);
      const listed = await state.source.runs();
      if (turn === state.drawn) list(state, parts, listed);
      return;
    }
    if (state.overview === null || state.id !== query.get("r")) await enter(state, query.get("r"), parts);
    if (turn === state.drawn) await view(state, parts, query);
  } catch (error) {
    if (turn === state.drawn) failed(parts, error);
  }
}

async function enter(state, id, parts) {
  leave(state);
  state.overview = await state.source.overview(id);
  state.id = id;
  const again = every(400, async (change) => {
    if (change.report || change.events || change.status !== state.overview.run?.status) {
      state.overview = await state.source.overview(id);
      if (state.id === id) show(state, parts);
    }
    await state.changed?.(change);
  });
  state.stop = state.source.follow(id, again);
}

function leave(state) {
  state.stop?.();
  Object.assign(state, { id: null, overview: null, report: null, stop: null, changed: null });
}

async function view(state, parts, query) {
  const { overview } = state;
  const index = Math.min(Number(query.get("o") ?? 0) || 0, Math.max(0, overview.reports.length - 1));
  // A search for a fix is about the training whose report comes first.
  Object.assign(state, { index, report: overview.reports[index] ?? null, fix: index ? null : overview.fix, query, changed: null });
  const shown = VIEWS.filter((each) => each.shown(state));
  const current = shown.find((each) => each.id === query.get("v")) ?? shown[0];
  state.shown = shown;
  header(state, parts, current);
  disposeAll();
  replace(parts.main);
  parts.main.className = `page-${current.id}`;
  document.title = `${current.title} · ${overview.title} · Headwater`;
  delete parts.main.dataset.drawn;
  await current.draw(parts.main, state);
  parts.main.dataset.drawn = current.id;
  if (state.view !== current.id) scrollTo(0, 0);
  state.view = current.id;
}

function header(state, parts, current) {
  const { overview, query } = state;
  parts.subject.textContent = overview.run?.name ? `${overview.run.name} · ${overview.title}` : overview.title;
  const status = overview.run?.status ?? "";
  parts.status.hidden = !status;
  parts.status.textContent = status === "running" ? "live" : status;
  parts.status.className = `chip ${status === "running" ? "live" : ""}`;
  parts.select.hidden = overview.reports.length < 2;
  replace(parts.select, overview.reports.map((each, i) => h("option", { value: i, selected: i === state.index }, each.title)));
  replace(parts.nav, state.shown.map((each, i) => {
    const address = new URLSearchParams(query);
    address.set("v", each.id);
    address.delete("a");
    return h("a", { href: `#${address}`, "aria-current": each === current ? "page" : null, title: `${each.title} (${i + 1})` }, each.title);
  }));
  const versions = Object.entries(overview.versions ?? {}).map(([name, version]) => `${name} ${version}`).join(", ");
  replace(parts.footer, "A gradient is the Frobenius norm over a whole batch. Keys: 1–9 views, t light or dark. ", versions);
}

function list(state, parts, listed) {
  disposeAll();
  replace(parts.nav);
  replace(parts.main);
  replace(parts.footer);
  Object.assign(parts.status, { hidden: true });
  parts.select.hidden = true;
  parts.subject.textContent = listed.root ?? "";
  document.title = "Runs · Headwater";
  drawRuns(parts.main, listed, state);
}

function failed(parts, error) {
  if (!(error instanceof Error)) throw error;
  disposeAll();
  replace(parts.main, h("section", { class: "panel missing", role: "alert" }, h("h2", {}, "This cannot be shown"), h("p", {}, error.message)));
}

function key(event, state) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const chosen = state.shown?.[Number(event.key) - 1];
  if (chosen && state.overview) go({ v: chosen.id, a: null });
  if (event.key === "t") toggleTheme();
}
