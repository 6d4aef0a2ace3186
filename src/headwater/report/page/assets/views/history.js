// The training over its steps: the loss, a heat map of all layers, rate and clipping, and the findings as they rose and healed.

import { curveFigure, eventMarks } from "../curves.js";
import { h, later, replace } from "../dom.js";
import { disposeGone, figure } from "../figure.js";
import { whole } from "../format.js";
import { cellAt, cellWords, heatLegend, heatOption, heatRoom, heatScale, walkable } from "../heat.js";

const PREFERRED = ["signal", "update_ratio", "grad_norm", "gain", "loss_share", "weight_norm", "gain_activation", "gain_weights", "gain_normalisation", "gain_other", "predicted_gain"];
const CURVES = [["learning_rate", "rate", "after"], ["clip", "clipping", "branch"], ["grad_norm", "norm", "water"]];

export const historyView = { id: "history", title: "History", shown: ({ overview }) => Boolean(overview.run), draw };

async function draw(main, state) {
  const track = state.report?.track ?? state.overview.tracks?.[0] ?? "";
  const network = await state.source.series(state.id, { layer: "", track, statistics: ["loss", "learning_rate", "clip", "grad_norm"], points: 800 });
  const names = await available(state, track);
  if (!network?.steps.length && !names.length) {
    main.append(missing());
    return;
  }
  const view = { state, track, range: { first: network.first ?? network.steps[0], last: network.last ?? network.steps.at(-1) }, figures: [], events: state.overview.events.filter((each) => each.track === track) };
  view.zoom = { ...view.range };
  const boxes = { top: h("div", {}), heat: h("div", {}), below: h("div", { class: "grid" }), events: h("div", {}) };
  main.append(boxes.top, boxes.heat, boxes.below, boxes.events);
  lossFigure(boxes.top, view, network);
  if (names.length) await heatSection(boxes.heat, view, names);
  for (const [name, , colour] of CURVES) if (network.series[name]?.mean.some((value) => value !== null)) smallFigure(boxes.below, view, network, name, colour);
  boxes.events.append(eventList(view.events));
  for (const each of view.figures) listen(each, view);
  state.changed = (change) => change.rows && state.view === "history" && !view.held && refresh(main, state);
}

async function refresh(main, state) {
  const kept = h("div", {});
  await draw(kept, state);
  replace(main, ...kept.childNodes);
  disposeGone();
}

async function available(state, track) {
  const known = state.source.live ? Object.keys(state.overview.statistics) : (await state.source.histories(track));
  return PREFERRED.filter((name) => known.includes(name));
}

function lossFigure(main, view, network) {
  const loss = network.series.loss ?? { mean: network.steps.map(() => null) };
  if (!loss.mean.some((value) => value !== null)) return;
  const positive = loss.mean.every((value) => value === null || Number(value) > 0);
  const spread = loss.mean.map(Number).filter((value) => value > 0);
  const far = positive && Math.max(...spread) > 20 * Math.min(...spread);
  const info = view.state.overview.statistics.loss;
  view.figures.push(curveFigure(main, {
    id: "history-loss", title: "Loss", unit: far ? "loss of a batch, log scale" : "loss of a batch", definition: `${sentence(info.definition)} A line is the mean of some steps, its band reaches from the least to the largest. ▲ a finding was raised, ✓ it has healed; triangles at the foot: steps that a gradient scaler skipped.`,
    lines: [{ name: "loss", colour: "water", steps: network.steps, ...loss }],
    scale: far ? "log" : "linear", range: view.range, height: 210, left: heatRoom, skipped: network.flags?.skipped, marks: (c) => eventMarks(view.events, c, view.zoom.last - view.zoom.first),
  }));
}

function smallFigure(main, view, network, name, colour) {
  const info = view.state.overview.statistics[name];
  view.figures.push(curveFigure(main, {
    id: `history-${name}`, title: sentence(info.name).slice(0, -1), unit: `${info.unit}${info.scale === "log" ? ", log scale" : ""}`, definition: sentence(info.definition),
    lines: [{ name: info.name, colour, steps: network.steps, ...network.series[name] }], scale: info.scale, range: view.range, height: 150,
  }));
}

async function heatSection(main, view, names) {
  const { state } = view;
  const asked = state.query.get("s");
  const kept = names.includes(asked) ? asked : await widest(view, names);
  const select = h("select", { "aria-label": "Statistic", onchange: (event) => state.go({ s: event.target.value }) }, names.map((name) => h("option", { value: name, selected: name === kept }, state.overview.statistics[name].name)));
  const ask = (zoom) => state.source.history(state.id, { statistic: kept, track: view.track, ...(zoom ?? {}), width: 600, height: 200 });
  const made = { history: await ask(), info: state.overview.statistics[kept] };
  if (!made.history?.layers.length) return;
  made.scale = heatScale(made.history, made.info);
  view.range.last = Math.max(view.range.last, made.history.last);
  const readout = h("p", { class: "readout", "aria-live": "polite" }, "Point at a place to read it, or walk there with the arrow keys; Ctrl and the wheel, or the handles below, zoom.");
  const shown = figure(main, {
    id: `history-${kept}`,
    title: `${sentence(made.info.name).slice(0, -1)} of every layer`,
    unit: `${made.info.unit}${made.info.scale === "log" ? ", log scale" : ""}`,
    definition: `${sentence(made.info.definition)} Mean over the steps of a column; where nobody looked, the last look stands. Output at the top, input at the bottom.`,
    says: `A heat map of ${made.history.layers.length} rows over steps ${made.history.first} to ${made.history.last}.`,
    height: Math.min(560, Math.max(170, 78 + 9 * made.history.layers.length)),
    controls: h("div", { class: "controls" }, select),
    legend: () => heatLegend(made.scale),
    option: (c, width) => heatOption(c, width, { ...made, range: view.range, zoom: view.zoom, marks: eventMarks(view.events, c) }),
    csv: () => [["layer", ...made.history.steps.map((step) => `step ${step}`)], ...made.history.layers.map((name, i) => [name, ...made.history.values[i]])],
  });
  shown.element.querySelector(".canvas").after(readout);
  point(shown.chart, made, readout, view);
  const open = ({ layer }) => view.state.overview.reports.length && view.state.go({ v: "layer", a: layer });
  walkable(shown.element.querySelector(".canvas"), shown.chart, made, (cell) => (readout.textContent = cellWords(cell)), open);
  shown.zoomTo = (zoom) => shown.chart.dispatchAction({ type: "dataZoom", startValue: zoom.first, endValue: zoom.last + 1 });
  shown.sharpen = async (zoom) => {
    made.history = await ask({ first: zoom.first, last: zoom.last });
    shown.redraw();
  };
  view.figures.push(shown);
}

// The first that was recorded over most of the training: a quick one is itemised at its start only.
async function widest(view, names) {
  for (const name of names.slice(0, 3)) {
    const found = await view.state.source.history(view.state.id, { statistic: name, track: view.track, width: 8, height: 1 });
    if (found?.layers.length && found.last - found.first > 0.5 * (view.range.last - view.range.first)) return name;
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
    if (cell && view.state.overview.reports.length) view.state.go({ v: "layer", a: cell.layer });
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
    view.held = first > view.range.first || view.zoom.last < view.range.last; // who looks closely is not disturbed
    view.busy = true;
    for (const each of view.figures) if (each !== shown) each.zoomTo(view.zoom);
    view.busy = false;
    sharpen();
  });
}

function eventList(events) {
  if (!events.length) return h("p", { class: "note" }, "No finding was raised in this training.");
  const row = (event) => h("tr", {}, h("td", {}, whole(event.step)), h("td", { class: "words" }, event.event), h("td", { class: "words" }, `${event.code} ${event.name}`), h("td", { class: "words" }, event.module), h("td", { class: "words" }, event.message));
  return h("section", { class: "panel" }, h("h2", {}, "Findings, as they rose and healed"), h("div", { class: "scroll" }, h("table", { class: "numbers" }, h("thead", {}, h("tr", {}, ["step", "", "finding", "where", ""].map((name, i) => h("th", { scope: "col", class: i ? "words" : "" }, name)))), h("tbody", {}, events.map(row)))));
}

function missing() {
  return h("section", { class: "panel missing" }, h("h2", {}, "No steps were recorded"), h("p", {}, "This page carries no rows of the run. The dashboard reads them from its folder:"), h("pre", {}, "headwater ui runs"));
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
