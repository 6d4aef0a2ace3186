// Curves over the optimizer's steps: a mean, the band between the least and the largest, and marks of what happened.

import { base, figure, told, xAxis } from "./figure.js";
import { number, whole } from "./format.js";
import { zooms } from "./heat.js";
import { drawable, linearScale, logScale, place, yAxis } from "./scales.js";

// Draws one. `lines`: name, colour, steps, and mean with min and max or without; `scale`: "log" or "linear". What it
// returns can be drawn anew with other lines and steps (`update`), and look at some steps (`zoomTo`).
export function curveFigure(main, { id, title, unit, definition, height, controls, ...given }) {
  const now = { zoom: given.range, ...given };
  now.axis = axisOf(now);
  const shown = figure(main, {
    id, title, unit, definition, controls,
    height: height ?? 190,
    says: () => `${now.lines.map((line) => `${line.name} from ${number(first(line.mean))} to ${number(first([...line.mean].reverse()))}`).join("; ")}. ${definition}`,
    legend: () => (now.lines.length > 1 ? now.lines.map((line) => ({ name: line.name, mark: "line", colour: line.colour })) : []),
    option: (c, width) => option(c, width, now),
    csv: () => table(now.lines),
  });
  shown.update = (changes) => {
    Object.assign(now, changes);
    now.axis = axisOf(now);
    shown.redraw();
  };
  shown.zoomTo = (wanted) => {
    now.zoom = wanted;
    shown.chart.dispatchAction({ type: "dataZoom", startValue: wanted.first, endValue: wanted.last + 1 });
  };
  return shown;
}

function axisOf({ lines, scale }) {
  const all = lines.flatMap((line) => [line.mean, line.min, line.max].filter(Boolean).flat());
  return scale === "log" ? logScale(all, { least: 0.5, most: 5 }) : linearScale(all);
}

// Findings that rose and healed, as lines across a figure; named where `span`, the steps in view, leaves room for it.
export function eventMarks(events, c, span = 0) {
  let named = -Infinity;
  const roomy = (event) => {
    if (!span || event.step - named < 0.09 * span) return false;
    named = event.step;
    return true;
  };
  return {
    silent: true,
    symbol: "none",
    animation: false,
    data: grouped(events).map(({ codes, ...event }) => ({
      xAxis: event.step,
      lineStyle: { color: event.event === "raised" ? c[event.severity === "error" ? "bad" : "risk"] : c.good, type: event.event === "raised" ? "solid" : "dashed", width: 1.2 },
      label: { show: roomy(event), formatter: () => `${event.event === "raised" ? "▲" : "✓"} ${codes.join(", ")}`, color: event.event === "raised" ? c.bad : c.good, fontSize: 11, distance: 4, position: "insideEndTop", rotate: 0, align: "left" },
    })),
  };
}

// Those of one step share a line.
function grouped(events) {
  const found = new Map();
  for (const event of events) {
    const key = `${event.step} ${event.event}`;
    if (found.has(key)) found.get(key).codes.push(event.code);
    else found.set(key, { ...event, codes: [event.code] });
  }
  return [...found.values()];
}

function option(c, width, { lines, axis, range, zoom, marks, skipped, left }) {
  const at = (value) => (drawable(axis, value) ? place(axis, value) : null);
  const series = lines.flatMap((line) => [
    ...(line.min ? band(line, at, c) : []),
    {
      type: "line",
      name: line.name,
      symbol: known(line.mean) < 60 ? "circle" : "none",
      symbolSize: 4,
      connectNulls: true,
      lineStyle: { width: 1.7, color: c[line.colour] ?? line.colour },
      itemStyle: { color: c[line.colour] ?? line.colour },
      data: given(line, line.mean).map((i) => [line.steps[i], at(line.mean[i])]),
    },
  ]);
  const lost = lines.flatMap((line) => line.steps.filter((_, i) => line.mean[i] !== null && !drawable(axis, line.mean[i])));
  if (lost.length) series.push(ticks("not finite", lost, axis.high, c.bad, "pin", 12));
  if (skipped?.length) series.push(ticks("skipped", skipped, axis.bottom, c.risk, "triangle", 7));
  if (series.length && marks) series[series.length - 1] = { ...series[series.length - 1], markLine: marks(c) };
  return {
    grid: { left: left?.(width) ?? (width < 560 ? 52 : 64), right: 16, top: marks ? 22 : 12, bottom: 30 },
    xAxis: xAxis(c, { min: range.first, max: range.last + 1, minInterval: 1, axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true, formatter: whole } }),
    yAxis: yAxis(axis, c),
    dataZoom: zooms(c, zoom, false),
    tooltip: tooltip(c, lines),
    series,
  };
}

// Places of a line that hold something: at others the pointer would find a step without a number.
function given(line, values) {
  return line.steps.map((_, i) => i).filter((i) => (values[i] ?? null) !== null);
}

function tooltip(c, lines) {
  return {
    ...base(c).tooltip,
    formatter: (found) => {
      const step = found[0].value[0];
      const rows = lines.map((line) => {
        const i = line.steps.indexOf(step);
        const value = line.mean[i] ?? null;
        if (i < 0 || value === null) return null;
        const span = line.min && line.min[i] !== line.max[i] ? ` (${number(line.min[i], 3)} to ${number(line.max[i], 3)})` : "";
        return [line.name, number(value, 3) + span];
      });
      return told(`step ${whole(step)}`, rows);
    },
  };
}

function band(line, at, c) {
  const invisible = { type: "line", symbol: "none", silent: true, stack: `${line.name} band`, stackStrategy: "all", lineStyle: { opacity: 0 }, tooltip: { show: false } };
  const places = given(line, line.min);
  const low = places.map((i) => [line.steps[i], at(line.min[i])]);
  const rise = places.map((i) => [line.steps[i], at(line.max[i]) === null || at(line.min[i]) === null ? null : at(line.max[i]) - at(line.min[i])]);
  return [
    { ...invisible, data: low },
    { ...invisible, data: rise, areaStyle: { color: c[line.colour] ?? line.colour, opacity: 0.16 } },
  ];
}

function ticks(name, steps, at, colour, symbol, size) {
  return { type: "scatter", name, symbol, symbolSize: size, silent: true, itemStyle: { color: colour }, data: steps.map((step) => [step, at]), tooltip: { show: false } };
}

function first(list) {
  return list.find((value) => value !== null) ?? null;
}

function known(list) {
  return list.reduce((amount, value) => amount + (value !== null), 0);
}

function table(lines) {
  const head = ["step", ...lines.flatMap((line) => [line.name, ...(line.min ? [`${line.name} min`, `${line.name} max`] : [])])];
  const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
  const places = lines.map((line) => new Map(line.steps.map((step, i) => [step, i])));
  return [
    head,
    ...steps.map((step) => [
      step,
      ...lines.flatMap((line, k) => {
        const i = places[k].get(step);
        const pick = (list) => (i === undefined ? null : list[i]);
        return [pick(line.mean), ...(line.min ? [pick(line.min), pick(line.max)] : [])];
      }),
    ]),
  ];
}
