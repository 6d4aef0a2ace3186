// The gradient against depth, measured beside predicted, and what each layer does to it, part by part.

import { h } from "../dom.js";
import { base, depthAxis, figure, told } from "../figure.js";
import { factor, num, number, shortened } from "../format.js";
import { drawable, logScale, marked, place, yAxis } from "../scales.js";

const PARTS = ["activation", "weights", "normalisation", "other"];
const COLUMNS = [
  ["depth"], ["name", "layer", true], ["kind", "kind", true], ["shape", "shape", true], ["signal", "gradient"], ["gain", "gain"], ["predicted_gain", "predicted"],
  ["activation"], ["weights"], ["normalisation"], ["other"], ["toward", "toward", true], ["update_ratio", "update / weight"], ["loss_share", "share of loss decrease"],
  ["weight_norm", "weight norm"], ["spread", "spread of input"], ["stream", "gradient of stream"], ["calls"], ["notes", "notes", true], ["built", "built", true], ["called", "called", true],
];

export const flowView = { id: "flow", title: "Flow", shown: ({ report }) => Boolean(report?.flow.name.length), draw };

function draw(main, state) {
  const { report } = state;
  const points = pointsOf(report.flow);
  signalFigure(main, state, points);
  gainFigure(main, state, report.layers, points.map((each) => each.depth));
  main.append(numbers(report.layers, state));
}

function pointsOf(flow) {
  return flow.name.map((name, i) => ({ name, depth: flow.depth[i], signal: num(flow.signal[i]), gain: flow.gain[i], kind: flow.kind[i] }));
}

function signalFigure(main, state, points) {
  const { flow } = state.report;
  const predicted = flow.predicted;
  const scale = logScale([...points.map((each) => each.signal), ...predicted.flat().map(([, value]) => value)], { least: 3 });
  const has = (kind) => points.some((each) => each.kind === kind);
  figure(main, {
    id: "flow-gradient",
    title: "The gradient on its way back",
    unit: "gradient norm, log scale",
    definition: "Frobenius norm, over the whole batch, of the gradient of the loss with respect to each layer's output. It flows from the output (right) to the input (left). The prediction starts from what is measured at the last layer and multiplies what theory says of each gain.",
    says: `From ${number(points.at(-1)?.signal)} at the output to ${number(points[0]?.signal)} at the input.`,
    height: 330,
    legend: [
      { name: "layer on the trunk", mark: "dot", colour: "water" },
      has("meeting") && { name: "where branches meet", mark: "ring", colour: "water" },
      has("branch") && { name: "layer in a branch", mark: "diamond", colour: "branch" },
      predicted.length && { name: "predicted", mark: "dashed", colour: "soft" },
    ].filter(Boolean),
    option: (c, width) => signalOption(c, width, points, predicted, scale),
    csv: () => [["place", "depth", "kind", "gradient norm", "gain"], ...points.map((each) => [each.name, each.depth, each.kind, each.signal, each.gain])],
    click: ({ data }) => data?.point && data.point.kind !== "meeting" && state.go({ v: "layer", a: data.point.name }),
  });
}

function signalOption(c, width, points, predicted, scale) {
  const trunk = points.filter((each) => each.kind !== "branch");
  const of = (kind) => points.filter((each) => each.kind === kind);
  const size = points.length > 160 ? 4 : 7;
  const many = points.length > 600;
  const at = (point) => (drawable(scale, point.signal) ? place(scale, point.signal) : null);
  const marks = (some, name, symbol, style) => ({
    type: "scatter", name, symbol, symbolSize: size, itemStyle: style, z: 3, large: false,
    data: (many && symbol === "circle" ? some.filter((_, i) => i % Math.ceil(some.length / 300) === 0) : some).filter((point) => point.signal !== null).map((point) => ({ value: [point.depth, place(scale, point.signal)], point, label: lostLabel(point, c, points) })),
  });
  return {
    grid: { left: width < 560 ? 46 : 60, right: 18, top: 14, bottom: 44 },
    xAxis: depthAxis(c, points.map((each) => each.depth), width),
    yAxis: yAxis(scale, c),
    tooltip: { ...base(c).tooltip, formatter: (given) => signalTold(given) },
    series: [
      ...predicted.map((segment) => ({ type: "line", name: "predicted", symbol: "none", silent: true, lineStyle: { color: c.soft, type: "dashed", width: 1.4 }, data: segment.map(([depth, value]) => ({ value: [depth, drawable(scale, value) ? place(scale, value) : null], predicted: value })) })),
      { type: "line", name: "trunk", symbol: "none", silent: true, lineStyle: { color: c.water, width: 2 }, data: trunk.map((point) => ({ value: [point.depth, at(point)], point: many ? point : undefined })) },
      marks(of("layer"), "layer", "circle", { color: c.water }),
      marks(of("meeting"), "where branches meet", "circle", { color: c.card, borderColor: c.water, borderWidth: 1.6 }),
      marks(of("branch"), "layer in a branch", "diamond", { color: c.card, borderColor: c.branch, borderWidth: 1.6 }),
    ],
  };
}

function lostLabel(point, c, points) {
  const said = marked(point.signal);
  return said && points.length <= 120 ? { show: true, formatter: () => said, position: said === "0" ? "top" : "bottom", color: c.bad, fontWeight: 700, fontSize: 11 } : undefined;
}

function signalTold(given) {
  const points = given.filter(({ data }) => data?.point);
  if (!points.length) return "";
  const expected = given.find(({ data }) => data?.predicted !== undefined)?.data.predicted;
  return told(
    `depth ${points[0].data.point.depth}`,
    [...points.slice(0, 6).flatMap(({ data }) => [[shortened(data.point.name, 30), number(data.point.signal)], data.point.gain !== null ? ["gain", factor(data.point.gain)] : null]), expected === undefined ? null : ["predicted", number(expected)]],
  );
}

function gainFigure(main, state, layers, depths) {
  const rows = (layers.name ?? []).map((name, i) => ({ name, depth: layers.depth[i], gain: num(layers.gain[i]), parts: layers.parts[i]?.map(num) ?? null, predicted: num(layers.predicted_gain[i]) })).filter((row) => row.gain !== null && row.parts);
  if (!rows.length) return;
  const ends = rows.flatMap((row) => [...stacked(row.parts).map((part) => (Number.isFinite(part.end) ? 10 ** Math.min(Math.max(part.end, -300), 300) : row.gain)), row.gain, row.predicted]);
  const scale = logScale(ends, { least: 1, around: 1 });
  const used = PARTS.filter((_, k) => rows.some((row) => row.parts[k] !== 1));
  figure(main, {
    id: "flow-gain",
    title: "What each layer does to it",
    unit: "gain toward the input, log scale",
    definition: "Gain: the gradient at the next layer toward the input over the gradient here. Its factors are stacked: those below one downward, those above one upward.",
    says: `Gains from ${factor(Math.min(...rows.map((row) => row.gain)))} to ${factor(Math.max(...rows.map((row) => row.gain)))}.`,
    height: 260,
    legend: [...used.map((part) => ({ name: part, mark: "", colour: part })), { name: "the gain, their product", mark: "line", colour: "ink" }, rows.some((row) => row.predicted !== null) && { name: "predicted", mark: "dashed", colour: "soft" }].filter(Boolean),
    option: (c, width) => gainOption(c, width, rows, depths, scale),
    csv: () => [["layer", "depth", "gain", "predicted gain", ...PARTS], ...rows.map((row) => [row.name, row.depth, row.gain, row.predicted, ...row.parts])],
    click: ({ data }) => data?.row && state.go({ v: "layer", a: data.row.name }),
  });
}

// Each factor from where to where, in decades; those without end last, as nothing can stand on them.
function stacked(parts) {
  const logs = parts.map((value, k) => ({ part: PARTS[k], value, log: value === null || Number.isNaN(value) || value < 0 ? 0 : Math.log10(value) })).filter((each) => each.log !== 0);
  logs.sort((a, b) => Number(!Number.isFinite(a.log)) - Number(!Number.isFinite(b.log)));
  let [up, down] = [0, 0];
  return logs.map((each) => {
    const start = each.log > 0 ? up : down;
    if (each.log > 0) up += each.log;
    else down += each.log;
    return { ...each, start, end: start + each.log };
  });
}

function gainOption(c, width, rows, depths, scale) {
  const clamp = (decade) => Math.min(Math.max(decade, scale.bottom), scale.high);
  return {
    grid: { left: width < 560 ? 46 : 60, right: 18, top: 12, bottom: 44 },
    xAxis: depthAxis(c, depths, width),
    yAxis: yAxis(scale, c),
    tooltip: { ...base(c).tooltip, trigger: "item", formatter: ({ data }) => (data?.row ? gainTold(data.row) : "") },
    series: [
      {
        type: "custom",
        clip: true,
        data: rows.map((row) => ({ value: [row.depth, place(scale, row.gain)], row })),
        markLine: { silent: true, symbol: "none", animation: false, lineStyle: { color: c.soft, width: 1, type: "solid" }, label: { show: false }, data: [{ yAxis: 0 }] },
        renderItem: (params, api) => {
          const row = rows[params.dataIndex];
          const wide = api.size([1, 0])[0];
          const half = Math.max(0.5, 0.38 * wide);
          const y = (decade) => api.coord([row.depth, clamp(decade)])[1];
          const x = api.coord([row.depth, 0])[0];
          const bars = stacked(row.parts).map((part) => ({ type: "rect", shape: { x: x - half, y: Math.min(y(part.start), y(part.end)), width: 2 * half, height: Math.abs(y(part.end) - y(part.start)) }, style: { fill: c[part.part] } }));
          const level = (value, style) => ({ type: "line", shape: { x1: x - half, x2: x + half, y1: y(place(scale, value)), y2: y(place(scale, value)) }, style });
          const total = [level(row.gain, { stroke: c.ink, lineWidth: 2 })];
          if (row.predicted !== null) total.push(level(row.predicted, { stroke: c.soft, lineWidth: 1.6, lineDash: [3, 2] }));
          if (marked(row.gain) && rows.length < 120) total.push({ type: "text", style: { x, y: y(place(scale, row.gain)) - 14, text: marked(row.gain), fill: c.bad, fontSize: 11, fontWeight: 700, align: "center" } });
          return { type: "group", children: [...bars, ...total] };
        },
      },
    ],
  };
}

function gainTold(row) {
  return told(row.name, [["gain", factor(row.gain)], row.predicted === null ? null : ["predicted", factor(row.predicted)], ...row.parts.map((value, k) => (value === 1 ? null : [PARTS[k], factor(value)]))]);
}

function numbers(layers, state) {
  const amount = layers.name?.length ?? 0;
  const box = h("div", { class: "scroll", tabindex: "0" });
  const details = h("details", { class: "panel" }, h("summary", {}, `All numbers of ${amount === 1 ? "1 layer" : `${amount.toLocaleString("en-GB")} layers`}`), box);
  details.addEventListener("toggle", () => details.open && !box.firstChild && box.append(table(layers, amount, state)));
  return details;
}

function table(layers, amount, state) {
  const value = (key, i) => (PARTS.includes(key) ? layers.parts[i]?.[PARTS.indexOf(key)] : layers[key][i]);
  const said = (key, each) => (each === null || each === undefined ? "–" : typeof each === "string" && num(each) === null ? each : key === "depth" || key === "calls" ? String(each) : factor(each));
  const cell = (key, i, words) => {
    const written = said(key, value(key, i));
    const link = h("a", { href: `#${new URLSearchParams({ ...Object.fromEntries(state.query), v: "layer", a: layers.name[i] })}` }, written);
    return h("td", { class: words ? "words" : "" }, key === "name" ? link : written);
  };
  return h(
    "table",
    { class: "numbers" },
    h("thead", {}, h("tr", {}, COLUMNS.map(([key, name, words]) => h("th", { scope: "col", class: words ? "words" : "" }, name ?? key)))),
    h("tbody", {}, Array.from({ length: amount }, (_, i) => h("tr", {}, COLUMNS.map(([key, , words]) => cell(key, i, words))))),
  );
}
