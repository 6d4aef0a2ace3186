// The training over its steps: the loss, a heat map of all layers, rate and clipping, and the findings as they rose and healed.

import { curveFigure, eventMarks } from "../curves.js";
import { h, later } from "../dom.js";
import { figure } from "../figure.js";
import { whole } from "../format.js";
import { cellAt, cellWords, heatLegend, heatOption, heatRoom, heatScale, walkable } from "../heat.js";

const PREFERRED = ["signal", "update_ratio", "grad_norm", "gain", "loss_share", "weight_norm", "gain_activation", "gain_weights", "gain_normalisation", "gain_other", "predicted_gain"];
const CURVES = [["learning_rate", "after"], ["clip", "branch"], ["grad_norm", "water"]];
const NORMS = ["grad_norm", "weight_norm"];
const FAR = 20; // largest loss over the least from which on decades show more

export const historyView = { id: "history", title: "History", shown: ({ overview }) => Boolean(overview.run), draw };

async function draw(main, state) {
  const network = await networkOf(state);
  const names = await available(state);
  if (!network) {
    main.append(missing(state));
    return null;
  }
  const range = rangeOf(network, null);
  const events = state.overview.events.filter((each) => each.track === state.track);
  const view = { state, range, zoom: { ...range }, figures: [], curves: new Map(), events };
  const boxes = { top: h("div", {}), heat: h("div", {}), below: h("div", { class: "grid" }), events: h("div", {}) };
  main.append(boxes.top, boxes.heat, boxes.below, boxes.events);
  lossFigure(boxes.top, view, network);
  if (names.length) await heatSection(boxes.heat, view, names);
  for (const [name, colour] of CURVES) if (isKnown(network, name)) smallFigure(boxes.below, view, network, name, colour);
  boxes.events.append(view.figures.length ? eventList(view.events) : missing(state));
  for (const each of view.figures) listen(each, view);
  return () => update(view);
}

function networkOf({ source, id, track }) {
  return source.series(id, { layer: "", track, statistics: ["loss", ...CURVES.map(([name]) => name)], points: 800 });
}

// Draws rows that came meanwhile into the figures as they stand; says whether that is possible.
async function update(view) {
  const { state, heat } = view;
  const network = await networkOf(state);
  const history = await heat?.ask();
  const isSame = history?.layers.length && lossScale(network.series.loss) === view.lossScale && ["loss", ...CURVES.map(([name]) => name)].every((name) => isKnown(network, name) === view.curves.has(name));
  if (!isSame || (heat.isWide && !isWide(history, rangeOf(network, history)))) return false;
  if (state.held || !view.figures.every(({ element }) => element.isConnected)) return true;
  view.range = rangeOf(network, history);
  view.zoom = view.range;
  heat.update(history);
  for (const [name, { shown, colour }] of view.curves) {
    shown.update({ lines: lineOf(view, network, name, colour), range: view.range, zoom: view.zoom, skipped: name === "loss" && network.flags?.skipped });
  }
  return true;
}

function rangeOf(network, history) {
  return { first: network.first ?? network.steps[0], last: Math.max(network.last ?? network.steps.at(-1), history?.last ?? 0) };
}

// Whether a statistic was recorded over most of the training: a quick one is itemised at its start only.
function isWide({ steps }, { first, last }) {
  return steps.at(-1) - steps[0] > 0.5 * (last - first);
}

async function available(state) {
  const known = state.source.live ? Object.keys(state.overview.statistics) : await state.source.histories(state.track);
  return PREFERRED.filter((name) => known.includes(name));
}

function isKnown(network, name) {
  return network.series[name]?.mean.some((value) => value !== null) ?? false;
}

function lineOf(view, network, name, colour) {
  return [{ name: view.state.overview.statistics[name].name, colour, steps: network.steps, ...(network.series[name] ?? { mean: network.steps.map(() => null) }) }];
}

function lossFigure(main, view, network) {
  const scale = (view.lossScale = lossScale(network.series.loss));
  const info = view.state.overview.statistics.loss;
  if (!isKnown(network, "loss")) return;
  const shown = curveFigure(main, {
    id: "history-loss", title: "Loss", unit: scale === "log" ? `${info.unit}, log scale` : info.unit, definition: `${sentence(info.definition)} A line is the mean of some steps, its band reaches from the least to the largest. ▲ a finding was raised, ✓ it has healed; triangles at the foot: steps that a gradient scaler skipped.`,
    lines: lineOf(view, network, "loss", "water"),
    scale, range: view.range, height: 210, left: heatRoom, skipped: network.flags?.skipped, marks: (c) => eventMarks(view.events, c, view.zoom.last - view.zoom.first),
  });
  view.curves.set("loss", { shown, colour: "water" });
  view.figures.push(shown);
}

// Where the losses are far apart, in decades.
function lossScale(loss) {
  const known = (loss?.mean ?? []).filter((value) => value !== null).map(Number);
  return known.length && known.every((value) => value > 0) && Math.max(...known) > FAR * Math.min(...known) ? "log" : "linear";
}

function smallFigure(main, view, network, name, colour) {
  const info = view.state.overview.statistics[name];
  const shown = curveFigure(main, {
    id: `history-${name}`, title: sentence(info.name).slice(0, -1), unit: `${info.unit}${info.scale === "log" ? ", log scale" : ""}`, definition: sentence(info.definition),
    lines: lineOf(view, network, name, colour), scale: info.scale, range: view.range, height: 150,
  });
  view.curves.set(name, { shown, colour });
  view.figures.push(shown);
}

async function heatSection(main, view, names) {
  const { state } = view;
  const asked = state.query.get("s");
  const kept = names.includes(asked) ? asked : await widest(view, names);
  const select = h("select", { "aria-label": "Statistic", onchange: (event) => state.go({ s: event.target.value }) }, names.map((name) => h("option", { value: name, selected: name === kept }, state.overview.statistics[name].name)));
  const ask = (zoom) => state.source.history(state.id, { statistic: kept, track: state.track, ...(zoom ?? {}), width: 600, height: 200 });
  const made = { history: await ask(), info: state.overview.statistics[kept] };
  if (!made.history?.layers.length) return;
  made.scale = heatScale(made.history, made.info);
  view.range.last = Math.max(view.range.last, made.history.last);
  view.zoom = { ...view.range };
  const readout = h("p", { class: "readout", "aria-live": "polite" }, "Point at a place to read it, or walk there with the arrow keys; Ctrl and the wheel, the handles below, or + and − zoom.");
  const shown = figure(main, {
    id: `history-${kept}`,
    title: `${sentence(made.info.name).slice(0, -1)} of every layer`,
    unit: `${made.info.unit}${made.info.scale === "log" ? ", log scale" : ""}`,
    definition: `${sentence(made.info.definition)} ${NORMS.includes(kept) ? "Root mean square" : "Mean"} over the steps of a column; where nobody looked, the last look stands. Output at the top, input at the bottom.`,
    says: () => `A heat map of ${made.history.layers.length} rows over steps ${made.history.first} to ${made.history.last}.`,
    height: Math.min(560, Math.max(170, 78 + 9 * made.history.layers.length)),
    controls: h("div", { class: "controls" }, select),
    legend: () => heatLegend(made.scale, made.history),
    option: (c, width) => heatOption(c, width, { ...made, range: view.range, zoom: view.zoom, marks: eventMarks(view.events, c) }),
    csv: () => [["layer", ...made.history.steps.map((step) => `step ${step}`)], ...made.history.layers.map((name, i) => [name, ...made.history.values[i]])],
  });
  const { canvas } = shown;
  canvas.after(readout);
  point(shown.chart, made, readout, view);
  walkable(canvas, shown.chart, made, { tell: (cell) => (readout.textContent = cellWords(cell)), enter: (cell) => open(state, cell), zoom: (by, step) => shown.zoomTo(zoomed(view, by, step)) });
  shown.zoomTo = (zoom) => shown.chart.dispatchAction({ type: "dataZoom", startValue: zoom.first, endValue: zoom.last + 1 });
  shown.update = (history) => {
    Object.assign(made, { history, scale: heatScale(history, made.info) });
    shown.redraw();
  };
  shown.sharpen = async (zoom) => {
    made.history = await ask({ first: zoom.first, last: zoom.last });
    if (canvas.isConnected) shown.redraw();
  };
  view.heat = { ask, update: shown.update, isWide: kept !== asked && isWide(made.history, view.range) };
  view.figures.push(shown);
}

// So many times the steps in view, around one of them, inside those that there are.
function zoomed({ zoom, range }, by, step) {
  const most = range.last - range.first + 1;
  const span = Math.min(most, Math.max(2, Math.round(by * (zoom.last - zoom.first + 1))));
  const middle = step ?? (zoom.first + zoom.last) / 2;
  const first = Math.min(Math.max(range.first, Math.round(middle - span / 2)), range.last + 1 - span);
  return { first, last: first + span - 1 };
}

// The layer of a place; of several that share a row the first.
function open(state, { layer }) {
  if (state.overview.reports.length) state.go({ v: "layer", a: layer.split(" … ")[0] });
}

// The first that was recorded over most of the training.
async function widest(view, names) {
  const { source, id, track } = view.state;
  for (const name of names.slice(0, 3)) {
    const found = await source.history(id, { statistic: name, track, width: 16, height: 1 });
    if (found?.layers.length && isWide(found, view.range)) return name;
  }
  return names[0];
}

function point(chart, made, readout, view) {
  const surface = chart.getZr();
  surface.on("mousemove", ({ offsetX, offsetY }) => {
    const cell = cellAt(chart, made.history, offsetX, offsetY);
    if (cell) readout.textContent = cellWords(cell);
  });
  surface.on("click", ({ offsetX, offsetY }) => {
    const cell = cellAt(chart, made.history, offsetX, offsetY);
    if (cell) open(view.state, cell);
  });
}

// One range for all figures; the server is asked again for a sharper picture of what is in view.
function listen(shown, view) {
  const sharpen = later(120, () => view.state.source.live && view.figures.forEach((each) => each.sharpen?.(view.zoom)));
  shown.chart.on("datazoom", () => {
    if (view.busy) return;
    const { startValue, endValue } = shown.chart.getOption().dataZoom[0];
    const first = Math.max(view.range.first, Math.round(startValue));
    view.zoom = { first, last: Math.max(first, Math.round(endValue) - 1) };
    view.state.held = first > view.range.first || view.zoom.last < view.range.last; // who looks closely is not disturbed
    view.busy = true;
    for (const each of view.figures) if (each !== shown) each.zoomTo(view.zoom);
    view.busy = false;
    sharpen();
  });
}

function eventList(events) {
  if (!events.length) return h("p", { class: "note" }, "No finding was raised in this training.");
  const row = (event) => h("tr", {}, h("td", {}, whole(event.step)), h("td", { class: "words" }, event.event), h("td", { class: "words" }, `${event.code} ${event.name}`), h("td", { class: "words" }, event.module), h("td", { class: "words" }, event.message));
  return h("section", { class: "panel" }, h("h2", {}, "Findings, as they rose and healed"), h("div", { class: "scroll", tabindex: "0" }, h("table", { class: "numbers wordy" }, h("thead", {}, h("tr", {}, ["step", "event", "finding", "where", "what"].map((name, i) => h("th", { scope: "col", class: i ? "words" : "" }, name)))), h("tbody", {}, events.map(row)))));
}

function missing({ source, overview }) {
  const where = !source.live ? "This page carries no rows of the run. The dashboard reads them from its folder:" : overview.live ? "They appear here as soon as they are on the disk." : "The training ended before one was on the disk.";
  return h("section", { class: "panel missing" }, h("h2", {}, "No steps were recorded"), h("p", {}, where), source.live ? null : h("pre", {}, "headwater ui runs"));
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
