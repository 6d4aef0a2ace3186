// The page around the views: which run, which report of it, which view, all of it in the address.

import { every, h, replace } from "./dom.js";
import { disposeIn, swap } from "./figure.js";
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
  const state = { source, id: null, overview: null, report: null, stop: null, turn: 0, go };
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
  const turn = ++state.turn;
  const isLatest = () => turn === state.turn; // what was asked for before must not be drawn over it
  try {
    if (state.source.live && !query.get("r")) {
      leave(state);
      list(state, parts);
      return;
    }
    if (state.overview === null || state.id !== query.get("r")) {
      leave(state);
      const overview = await state.source.overview(query.get("r"));
      if (!isLatest()) return;
      enter(state, query.get("r"), overview, parts);
    }
    await view(state, parts, query, isLatest);
  } catch (error) {
    if (!isLatest()) return;
    if (state.overview === null) bare(parts);
    failed(parts, error);
  }
}

function enter(state, id, overview, parts) {
  const session = {};
  Object.assign(state, { id, overview, session, lost: "" });
  const tell = (lost) => {
    if (state.session !== session || state.lost === lost) return;
    state.lost = lost;
    chip(state, parts);
  };
  const news = every(400, async (change) => {
    if (state.session !== session) return;
    try {
      await hear(state, parts, change, () => state.session === session);
      tell("");
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      tell(error.message); // what is shown stays: the next news may be better
    }
  });
  state.stop = state.source.follow(id, overview.mark, news, (reached) => tell(reached ? "" : "The server does not answer; what is shown may be old."));
}

// What changed on the disk. A view that shows rows gives a function that draws what came into its figures as they stand,
// or says that it cannot: then all of it is drawn anew.
async function hear(state, parts, change, isOn) {
  const { current, overview } = state;
  if (["deleted", "unreadable"].includes(change.status)) {
    overview.status = change.status;
    chip(state, parts);
    return;
  }
  if (change.report || change.events || change.status !== overview.status) {
    const found = await state.source.overview(state.id);
    if (!isOn()) return;
    state.overview = found;
    if (!state.held && (change.events || (change.report && current?.id !== "history"))) {
      await show(state, parts);
      return;
    }
    choose(state, state.query);
    header(state, parts);
  }
  if (change.rows && !state.held && state.update && !(await state.update())) await show(state, parts);
}

function leave(state) {
  state.stop?.();
  Object.assign(state, { id: null, overview: null, report: null, stop: null, session: null, update: null, current: null, view: null });
}

// What the address asks for of what there is.
function choose(state, query) {
  const { overview } = state;
  const index = Math.min(Number(query.get("o") ?? 0) || 0, Math.max(0, subjects(overview).length - 1));
  const report = overview.reports[index] ?? null;
  const track = report?.track ?? subjects(overview)[index] ?? "";
  // A search for a fix is about the training whose report comes first.
  Object.assign(state, { index, report, track, fix: index ? null : overview.fix, query });
  state.shown = VIEWS.filter((each) => each.shown(state));
  state.current = state.shown.find((each) => each.id === query.get("v")) ?? state.shown[0];
}

// What one can choose among: the reports, or the optimizers of a training that was not judged.
function subjects({ reports, tracks, run }) {
  return reports.length ? reports.map(({ title }) => title) : (tracks ?? Object.keys(run?.optimizers ?? {}));
}

async function view(state, parts, query, isLatest) {
  choose(state, query);
  const { current } = state;
  Object.assign(state, { update: null, held: false });
  header(state, parts);
  document.title = `${current.title} · ${state.overview.title} · Headwater`;
  delete parts.main.dataset.drawn;
  const box = h("div", {});
  const again = state.view === current.id; // then the old picture stays until the new one is whole
  if (!again) {
    state.view = null;
    empty(parts.main);
    parts.main.className = `page-${current.id}`;
    parts.main.append(box);
    scrollTo(0, 0);
  }
  const update = await current.draw(box, state);
  if (!isLatest()) {
    disposeIn(box);
    box.remove();
    return;
  }
  if (again) swap(parts.main, box);
  Object.assign(state, { view: current.id, update: update ?? null });
  parts.main.dataset.drawn = current.id;
}

// Moves the row of views only: scrollIntoView would, in a frame, scroll the page around it too.
function reveal(nav, tab) {
  const [row, own] = [nav.getBoundingClientRect(), tab.getBoundingClientRect()];
  nav.scrollLeft += Math.min(0, own.left - row.left) + Math.max(0, own.right - row.right);
}

function header(state, parts) {
  const { overview, query, current } = state;
  parts.subject.textContent = overview.run?.name ? `${overview.run.name} · ${overview.title}` : overview.title;
  chip(state, parts);
  const names = subjects(overview);
  parts.select.hidden = names.length < 2;
  replace(parts.select, names.map((name, i) => h("option", { value: i, selected: i === state.index }, name || "(no name)")));
  replace(parts.nav, state.shown.map((each, i) => {
    const address = new URLSearchParams(query);
    address.set("v", each.id);
    address.delete("a");
    return h("a", { href: `#${address}`, "aria-current": each === current ? "page" : null, title: `${each.title} (${i + 1})` }, each.title);
  }));
  reveal(parts.nav, parts.nav.querySelector("[aria-current]"));
  const versions = Object.entries(overview.versions ?? {}).map(([name, version]) => `${name} ${version}`).join(", ");
  replace(parts.footer, "A gradient is the Frobenius norm over a whole batch. Keys: 1–9 views, t light or dark. ", versions);
}

function chip(state, parts) {
  const status = state.overview.status ?? state.overview.run?.status ?? "";
  const isLive = status === "running" && !state.lost;
  parts.status.hidden = !status;
  parts.status.textContent = state.lost ? "not up to date" : status === "running" ? "live" : status;
  parts.status.title = state.lost;
  parts.status.className = `chip ${isLive ? "live" : ""}`;
}

// Without anything of a run.
function bare(parts) {
  empty(parts.main);
  for (const each of [parts.nav, parts.footer, parts.subject]) replace(each);
  for (const each of [parts.status, parts.select]) each.hidden = true;
}

function list(state, parts) {
  bare(parts);
  parts.main.className = "page-runs";
  document.title = "Runs · Headwater";
  state.stop = drawRuns(parts.main, state, (root) => (parts.subject.textContent = root));
}

function empty(main) {
  disposeIn(main);
  replace(main);
}

function failed(parts, error) {
  if (!(error instanceof Error)) throw error;
  empty(parts.main);
  parts.main.append(h("section", { class: "panel missing", role: "alert" }, h("h2", {}, "This cannot be shown"), h("p", {}, error.message)));
}

function key(event, state) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const chosen = state.shown?.[Number(event.key) - 1];
  if (chosen && state.overview) go({ v: chosen.id, a: null });
  if (event.key === "t") toggleTheme();
}
