// One layer: what was measured of it, over the training, its magnitudes beside the number formats, and its units.

import { curveFigure, eventMarks } from "../curves.js";
import { h, pairs } from "../dom.js";
import { factor, num, number, percent } from "../format.js";
import { histogramFigure } from "./magnitudes.js";

const GROUPS = [
  ["signal", ["signal"], "water"],
  ["update_ratio", ["update_ratio"], "after"],
  ["gain", ["gain", "predicted_gain"], "water"],
  ["parts", ["gain_activation", "gain_weights", "gain_normalisation", "gain_other"], "water"],
  ["grad_norm", ["grad_norm"], "deep"],
  ["weight_norm", ["weight_norm"], "branch"],
  ["loss_share", ["loss_share"], "note"],
];
const MARKS = " Upright lines: a finding was raised, or, dashed, has healed.";
const COLOURS = { predicted_gain: "soft", gain_activation: "activation", gain_weights: "weights", gain_normalisation: "normalisation", gain_other: "other" };

export const layerView = { id: "layer", title: "Layer", shown: (state) => namesOf(state).length > 0, draw };

function namesOf({ report, overview }) {
  return [...new Set([...(report?.layers.name ?? []), ...(overview.layers ?? [])])];
}

async function draw(main, state) {
  const names = namesOf(state);
  const asked = state.query.get("a");
  const name = asked ?? state.report?.findings[0]?.names[0] ?? names[0];
  main.append(chooser(names, name, state));
  const at = state.report?.layers.name?.indexOf(name) ?? -1;
  if (at < 0 && !names.includes(name)) main.append(h("p", { class: "quiet" }, `No layer is called ${name} here.`));
  if (at >= 0) main.append(facts(state.report.layers, at, unitsOf(state.report.units, name)));
  const magnitudes = state.report?.magnitudes[name];
  if (magnitudes) histogramFigure(main, name, magnitudes);
  return curves(main, state, name);
}

function chooser(names, name, state) {
  const list = h("datalist", { id: "layer-names" }, names.slice(0, 2000).map((each) => h("option", { value: each })));
  const input = h("input", { type: "search", list: "layer-names", value: name, "aria-label": "Layer", onchange: (event) => names.includes(event.target.value) && state.go({ a: event.target.value }) });
  const step = (by) => h("button", { type: "button", class: "tool", title: by < 0 ? "toward the input" : "toward the output", disabled: names[names.indexOf(name) + by] === undefined, onclick: () => state.go({ a: names[names.indexOf(name) + by] }) }, by < 0 ? "←" : "→");
  return h("div", { class: "controls" }, h("label", {}, "Layer", input), step(-1), step(1), list);
}

function facts(layers, i, units) {
  const get = (key) => layers[key][i];
  const said = [
    ["depth", String(get("depth"))], ["kind", get("kind")], ["shape", get("shape")], ["gradient norm", number(get("signal"))], ["gain", factor(get("gain"))],
    ["predicted gain", get("predicted_gain") === null ? null : factor(get("predicted_gain"))],
    ...["activation", "weights", "normalisation", "other"].map((part, k) => [part, get("parts") && get("parts")[k] !== 1 ? factor(get("parts")[k]) : null]),
    ["update / weight", get("update_ratio") === null ? null : number(get("update_ratio"))],
    ["share of the loss decrease", get("loss_share") === null ? null : percent(get("loss_share"))],
    ["weight norm", get("weight_norm") === null ? null : number(get("weight_norm"))],
    ["input that depends on the sample", get("spread") === null ? null : percent(get("spread"))],
    ["next toward the input", get("toward")], ["built at", get("built")], ["called at", get("called")], ["notes", get("notes")],
  ].filter(([, value]) => value);
  return h("section", { class: "panel" }, h("h2", {}, get("name")), pairs(said, "facts"), units.map(unitRow));
}

function unitsOf(units, name) {
  return units.filter((each) => each.layers.includes(name) || each.layer === name);
}

// Dead and saturated units as a strip: each unit has its share of the width.
function unitRow(units) {
  const share = (amount) => `${(100 * amount) / Math.max(1, units.units)}%`;
  const label = `Of ${units.units} units of ${units.kind} that it feeds ${units.dead} are dead and ${units.saturated} saturated, on ${units.samples.toLocaleString("en-GB")} samples.`;
  return h(
    "div",
    { class: "units" },
    h("div", { class: "strip", role: "img", "aria-label": label }, h("i", { class: "dead", style: { width: share(units.dead) } }), h("i", { class: "saturated", style: { width: share(units.saturated) } })),
    h("p", { class: "note" }, label, units.slope === null ? "" : ` Their mean square slope is ${factor(units.slope)} of the largest.`),
  );
}

async function curves(main, state, name) {
  const { overview } = state;
  if (!overview.run) {
    main.append(h("section", { class: "panel missing" }, h("h2", {}, "Over time"), h("p", {}, "This report is of one diagnosis. A layer over a whole training, with its updates and its share of the loss, takes a recorded run:"), h("pre", {}, "headwater run train.py")));
    return null;
  }
  const grid = h("div", { class: "grid" });
  main.append(grid);
  const shown = drawAll(grid, await rowsOf(state, name), state);
  return async () => {
    const found = await rowsOf(state, name);
    if (groupsIn(found).join() !== [...shown.keys()].join()) return false;
    for (const [group, figure] of shown) if (figure.element.isConnected) figure.update({ lines: linesOf(group, found, state), range: rangeOf(found), zoom: rangeOf(found) });
    return true;
  };
}

// What was recorded of it, step by step.
function rowsOf({ source, id, track }, name) {
  return source.series(id, { layer: name, track, statistics: GROUPS.flatMap(([, names]) => names), points: 800 });
}

function rangeOf(found) {
  return { first: found.first ?? found.steps[0], last: found.last ?? found.steps.at(-1) };
}

// The figures that there are numbers for, by name of the group of statistics.
function drawAll(grid, found, state) {
  const groups = groupsIn(found);
  if (!groups.length) grid.append(h("p", { class: "quiet" }, "No row of this layer was recorded, or it travels in this page only together with its neighbours: see History."));
  return new Map(groups.map((group) => [group, curvesOf(grid, group, found, state)]));
}

function groupsIn(found) {
  return GROUPS.filter(([, names]) => knownIn(found, names).length).map(([group]) => group);
}

function knownIn(found, names) {
  return names.filter((name) => found?.series[name]?.mean.some((value) => num(value) !== null));
}

function linesOf(group, found, { overview }) {
  const [, names, colour] = GROUPS.find(([each]) => each === group);
  return knownIn(found, names).map((name) => ({ name: overview.statistics[name].name, colour: COLOURS[name] ?? colour, steps: found.steps, ...found.series[name] }));
}

function curvesOf(grid, group, found, state) {
  const { overview, track } = state;
  const [, names] = GROUPS.find(([each]) => each === group);
  const info = overview.statistics[knownIn(found, names)[0]];
  const events = overview.events.filter((each) => each.track === track);
  return curveFigure(grid, {
    id: `layer-${group}`,
    title: group === "parts" ? "Parts of the gain" : sentence(info.name),
    unit: `${info.unit}${info.scale === "log" ? ", log scale" : ""}`,
    definition: `${group === "parts" ? "The factors of the gain: activation, weights, normalisation, and what is neither" : sentence(info.definition)}.${events.length ? MARKS : ""}`,
    lines: linesOf(group, found, state),
    scale: info.scale,
    range: rangeOf(found),
    marks: (c) => eventMarks(events, c),
  });
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
