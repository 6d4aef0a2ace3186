// Two or more trainings beside each other: their verdicts, their losses, their gradients with depth.

import { curveFigure } from "../curves.js";
import { h, later, replace } from "../dom.js";
import { base, depthAxis, figure, told } from "../figure.js";
import { num, number } from "../format.js";
import { logScale, drawable, place, yAxis } from "../scales.js";

const COLOURS = ["water", "branch", "after", "other", "activation", "soft"];
const OFFERED = 40; // runs to choose from; the search finds all

export const compareView = { id: "compare", title: "Compare", shown: ({ source, overview }) => source.live || overview.reports.length > 1, draw };

async function draw(main, state) {
  if (!state.source.live) {
    show(main, await Promise.all(state.overview.reports.map((report) => within(state, report))));
    return;
  }
  const chosen = [state.id, ...(state.query.get("c")?.split("\n") ?? [])];
  const found = await Promise.all([...new Set(chosen)].map((id) => fetched(state, id)));
  main.append(await chooser(new Set(chosen), state));
  show(main, found);
}

async function chooser(chosen, state) {
  const toggle = (id, on) => {
    if (on) chosen.add(id);
    else chosen.delete(id);
    state.go({ c: [...chosen].filter((each) => each !== state.id).join("\n") });
  };
  const option = ({ id, name }) => h("label", {}, h("input", { type: "checkbox", checked: chosen.has(id), disabled: id === state.id, onchange: (event) => toggle(id, event.target.checked) }), name);
  const box = h("div", { class: "controls" });
  const fill = async (search) => {
    const { runs, total } = await state.source.runs({ search, limit: OFFERED });
    const others = [...chosen].filter((id) => !runs.some((run) => run.id === id)).map((id) => ({ id, name: id }));
    replace(box, [...others, ...runs].map(option), total > runs.length ? h("span", { class: "quiet" }, `and ${total - runs.length} more: search`) : null);
  };
  await fill("");
  const search = h("input", { type: "search", "aria-label": "Search among the runs", placeholder: "search", oninput: later(250, (event) => fill(event.target.value)) });
  return h("section", { class: "panel" }, h("h2", {}, "Compare with"), h("div", { class: "controls" }, search), box, chosen.size < 2 ? h("p", { class: "note" }, "Choose another run to see both beside each other.") : null);
}

async function within(state, report) {
  const network = await state.source.series(state.id, { layer: "", track: report.track });
  return { name: report.title, report, network };
}

// One that cannot be read, or is gone, does not keep the others from being seen.
async function fetched(state, id) {
  try {
    const overview = id === state.id ? state.overview : await state.source.overview(id);
    const report = overview.reports[0] ?? null;
    const track = report?.track ?? overview.tracks?.[0] ?? "";
    const network = await state.source.series(id, { layer: "", track, statistics: ["loss"], points: 800 });
    return { name: overview.run?.name || id, report, network };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { name: id, report: null, network: null, failed: error.message };
  }
}

function show(main, all) {
  const row = ({ name, report, failed }, i) =>
    h("tr", {},
      h("td", { class: "words" }, h("span", { class: "key", style: { "--key": `var(--${colour(i)})` } }), name),
      h("td", { class: "words" }, report?.verdict.headline ?? failed ?? "not judged yet"),
      h("td", {}, number(report?.flow.attenuation ?? null)),
      h("td", { class: "words" }, report?.facts.find(([key]) => key === "loss")?.[1] ?? ""),
    );
  const titles = ["training", "verdict", "gradient that arrives", "loss, when it was measured"];
  const head = h("thead", {}, h("tr", {}, titles.map((title, i) => h("th", { scope: "col", class: i === 2 ? "" : "words" }, title))));
  const note = "Gradient that arrives: that at the first layer, as a share of the last layer's.";
  main.append(h("section", { class: "panel" }, h("h2", {}, "Verdicts"), h("div", { class: "scroll", tabindex: "0" }, h("table", { class: "numbers wordy" }, head, h("tbody", {}, all.map(row)))), h("p", { class: "note" }, note)));
  losses(main, all);
  profiles(main, all.map((each, i) => ({ ...each, i })).filter(({ report }) => report?.flow.name.length));
}

function colour(i) {
  return COLOURS[i % COLOURS.length];
}

function losses(main, all) {
  const lines = all.map((each, i) => ({ ...each, i })).filter(({ network }) => network?.series.loss).map(({ name, network, i }) => ({ name, colour: colour(i), steps: network.steps, mean: network.series.loss.mean }));
  if (!lines.length) return;
  const ends = lines.flatMap((line) => [line.steps[0], line.steps.at(-1)]);
  curveFigure(main, { id: "compare-loss", title: "Loss", unit: "loss of a batch", definition: "Loss before the step, unscaled; a mean where steps share a point.", lines, scale: "linear", range: { first: Math.min(...ends), last: Math.max(...ends) }, height: 260 });
}

function profiles(main, all) {
  const shown = all.map(({ name, report, i }) => ({ name, colour: colour(i), points: sharesOf(report.flow) })).filter(({ points }) => points.length);
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
