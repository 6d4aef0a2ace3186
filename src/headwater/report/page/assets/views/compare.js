// Two or more trainings beside each other: their verdicts, their losses, their gradients with depth.

import { curveFigure } from "../curves.js";
import { h, replace } from "../dom.js";
import { base, depthAxis, figure, told } from "../figure.js";
import { num, number } from "../format.js";
import { logScale, drawable, place, yAxis } from "../scales.js";

const COLOURS = ["water", "branch", "after", "other", "activation", "soft"];

export const compareView = { id: "compare", title: "Compare", shown: ({ source, overview }) => source.live || overview.reports.length > 1, draw };

async function draw(main, state) {
  if (!state.source.live) {
    show(main, await Promise.all(state.overview.reports.map((report) => within(state, report))));
    return;
  }
  const listed = await state.source.runs();
  const chosen = new Set([state.id, ...(state.query.get("c")?.split("\n") ?? [])]);
  const box = h("div", {});
  main.append(chooser(listed.runs, chosen, state), box);
  const found = await Promise.all(listed.runs.filter((run) => chosen.has(run.id)).map((run) => fetched(state, run)));
  replace(box);
  show(box, found.filter(Boolean));
}

function chooser(runs, chosen, state) {
  const toggle = (id, on) => {
    if (on) chosen.add(id);
    else chosen.delete(id);
    state.go({ c: [...chosen].filter((each) => each !== state.id).join("\n") });
  };
  const option = (run) => h("label", {}, h("input", { type: "checkbox", checked: chosen.has(run.id), disabled: run.id === state.id, onchange: (event) => toggle(run.id, event.target.checked) }), run.name);
  return h("section", { class: "panel" }, h("h2", {}, "Compare with"), h("div", { class: "controls" }, runs.slice(0, 60).map(option)), chosen.size < 2 ? h("p", { class: "note" }, "Choose another run to see both beside each other.") : null);
}

async function within(state, report) {
  const network = await state.source.series(state.id, { layer: "", track: report.track });
  return { name: report.title, report, network };
}

async function fetched(state, run) {
  const overview = run.id === state.id ? state.overview : await state.source.overview(run.id);
  const report = overview.reports[0] ?? null;
  const track = report?.track ?? overview.tracks?.[0] ?? "";
  const network = await state.source.series(run.id, { layer: "", track, statistics: ["loss"], points: 800 });
  return { name: run.name, report, network };
}

function show(main, all) {
  main.append(h("section", { class: "panel" }, h("h2", {}, "Verdicts"), h("div", { class: "scroll" }, h("table", { class: "numbers" }, h("tbody", {}, all.map(({ name, report }, i) => h("tr", {}, h("td", { class: "words" }, h("span", { class: "key", style: { "--key": `var(--${COLOURS[i % COLOURS.length]})` } }), name), h("td", { class: "words" }, report?.verdict.headline ?? "not judged yet"), h("td", {}, number(report?.flow.attenuation ?? null)), h("td", { class: "words" }, report?.facts.find(([key]) => key === "loss")?.[1] ?? "")))), h("thead", {}, h("tr", {}, ["training", "verdict", "gradient that arrives", "loss"].map((title, i) => h("th", { scope: "col", class: i === 2 ? "" : "words" }, title))))))));
  losses(main, all);
  profiles(main, all.filter(({ report }) => report?.flow.name.length));
}

function losses(main, all) {
  const lines = all.map((each, i) => ({ ...each, i })).filter(({ network }) => network?.series.loss).map(({ name, network, i }) => ({ name, colour: COLOURS[i % COLOURS.length], steps: network.steps, mean: network.series.loss.mean }));
  if (!lines.length) return;
  const ends = lines.flatMap((line) => [line.steps[0], line.steps.at(-1)]);
  curveFigure(main, { id: "compare-loss", title: "Loss", unit: "loss of a batch", definition: "Loss before the step, unscaled; a mean where steps share a point.", lines, scale: "linear", range: { first: Math.min(...ends), last: Math.max(...ends) }, height: 260 });
}

function profiles(main, all) {
  const shown = all.map(({ name, report }, i) => ({ name, colour: COLOURS[i % COLOURS.length], points: sharesOf(report.flow) })).filter(({ points }) => points.length);
  if (!shown.length) return;
  const scale = logScale(shown.flatMap(({ points }) => points.map(([, share]) => share)), { least: 3, around: 1 });
  figure(main, {
    id: "compare-gradient",
    title: "The gradient on its way back",
    unit: "share of the last layer's gradient, log scale",
    definition: "Frobenius norm of the gradient with respect to each layer's output, beside the last layer's.",
    says: shown.map(({ name, points }) => `${name}: ${number(points[0][1])} arrives`).join("; "),
    height: 320,
    legend: shown.map(({ name, colour }) => ({ name, mark: "line", colour })),
    option: (c, width) => ({
      grid: { left: width < 560 ? 46 : 60, right: 18, top: 12, bottom: 44 },
      xAxis: depthAxis(c, shown.flatMap(({ points }) => points.map(([depth]) => depth)), width),
      yAxis: yAxis(scale, c),
      tooltip: { ...base(c).tooltip, formatter: (given) => told(`depth ${given[0].value[0]}`, given.map((each) => [each.seriesName, number(10 ** each.value[1])])) },
      series: shown.map(({ name, colour, points }) => ({ type: "line", name, symbol: points.length < 60 ? "circle" : "none", symbolSize: 5, lineStyle: { color: c[colour], width: 2 }, itemStyle: { color: c[colour] }, data: points.map(([depth, share]) => [depth, drawable(scale, share) ? place(scale, share) : null]) })),
    }),
    csv: () => [["training", "depth", "share"], ...shown.flatMap(({ name, points }) => points.map((point) => [name, ...point]))],
  });
}

function sharesOf(flow) {
  const trunk = flow.depth.map((depth, i) => [depth, num(flow.signal[i]), flow.kind[i]]).filter(([, signal, kind]) => kind !== "branch" && signal !== null);
  const last = trunk.at(-1)?.[1];
  return last > 0 && Number.isFinite(last) ? trunk.map(([depth, signal]) => [depth, signal / last]) : [];
}
