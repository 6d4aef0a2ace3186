// The search for a fix: what was tried, the trainings, the gradient before and after, the change.

import { append, h, pairs } from "../dom.js";
import { base, depthAxis, figure, told, xAxis } from "../figure.js";
import { num, number, whole } from "../format.js";
import { drawable, linearScale, logScale, place, yAxis } from "../scales.js";

const KINDS = { other: ["other candidates", "soft"], control: ["a do-nothing control: other random numbers only", "soft"], original: ["the original", "branch"], recommended: ["recommended", "after"] };
const LATE = 10;

export const remediesView = { id: "remedies", title: "Remedies", shown: ({ overview, report }) => Boolean(overview.fix || report?.findings.some((each) => each.remedies.length)), draw };

function draw(main, { overview, report }) {
  const { fix } = overview;
  if (!fix) {
    main.append(suggestions(report.findings));
    return;
  }
  main.append(h("section", { class: `verdict ${fix.outcome.tone}` }, h("span", { class: "sign", "aria-hidden": "true" }, fix.outcome.tone === "good" ? "✓" : "!"), h("div", {}, h("h1", {}, fix.outcome.headline), h("p", { class: "message" }, fix.outcome.message))), pairs(fix.facts, "facts"));
  if (fix.ranking.length) main.append(ranking(fix));
  curves(main, fix);
  profiles(main, fix);
  append(main, [change(fix)]);
}

function suggestions(findings) {
  const some = findings.filter((each) => each.remedies.length);
  return h("section", { class: "panel missing" }, h("h2", {}, "Nothing was tried yet"), h("p", {}, "These answer the causes, best first. Each is tried on your own model and data, with paired seeds and a control, by:"), h("pre", {}, "headwater fix train.py"), some.map((each) => h("div", {}, h("p", {}, h("strong", {}, `${each.code} ${each.name}`)), h("ol", { class: "advice" }, each.remedies.map(([code, says]) => h("li", {}, says, " ", h("code", {}, code)))))));
}

function ranking(fix) {
  const titles = ["change", "size", "steps", fix.measure, "lower by", "p", "came out"];
  const row = (each) => {
    const cells = [each.size, each.steps, each.level, each.lower_by, each.p];
    const what = [each.standing ? h("code", {}, each.name) : each.name, each.says && each.standing ? h("small", {}, each.says) : null, each.why ? h("small", {}, each.why) : null];
    return h("tr", { class: each.standing ? each.standing.replace(/ /g, "-") : "reference" }, h("th", { scope: "row" }, what), cells.map((value, i) => h("td", { "data-name": value ? titles[i + 1] : null }, value)), h("td", { class: "words" }, each.standing));
  };
  const amount = fix.untried.reduce((sum, [, , names]) => sum + names.length, 0);
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, "What was tried"),
    fix.cost && h("p", { class: "note" }, fix.cost),
    h("table", { class: "tried" }, h("thead", {}, h("tr", {}, titles.map((title, i) => h("th", { scope: "col", class: i === 6 ? "words" : "" }, title)))), h("tbody", {}, fix.ranking.map(row))),
    amount ? h("details", {}, h("summary", {}, `${amount} ${amount === 1 ? "candidate" : "candidates"} in no race, and why`), h("ul", { class: "under" }, fix.untried.map(([standing, why, names]) => h("li", {}, `${standing}: `, names.map((name, i) => [i ? ", " : "", h("code", {}, name)]), h("p", { class: "quiet" }, why))))) : null,
  );
}

function curves(main, fix) {
  if (!fix.curves.length) return;
  const firsts = fix.curves.map((curve) => num(curve.mean[0])).filter(Number.isFinite).sort((a, b) => a - b);
  const first = firsts[firsts.length >> 1] ?? 1;
  const most = first > 0 ? LATE * first : Infinity;
  const seen = fix.curves.flatMap((curve) => (curve.kind === "other" ? curve.mean : [...curve.mean, ...curve.low, ...curve.high])).map((value) => Math.min(num(value), most));
  const scale = seen.every((value) => value > 0) ? logScale(seen, { least: 0.5 }) : linearScale(seen);
  const kinds = Object.keys(KINDS).filter((kind) => fix.curves.some((curve) => curve.kind === kind));
  figure(main, {
    id: "remedies-curves",
    title: "The trainings",
    unit: `training loss${scale.log ? ", log scale" : ""}`,
    definition: "Loss on the training batches, means over stretches of steps. A line is the longest training, or the mean of several; a band reaches from the lowest seed to the highest.",
    says: fix.curves.filter((curve) => curve.kind !== "other").map((curve) => `${curve.name}: from ${number(curve.mean[0], 3)} to ${number(curve.mean.at(-1), 3)}`).join("; "),
    height: 300,
    legend: kinds.map((kind) => ({ name: KINDS[kind][0], mark: kind === "control" ? "dashed" : "line", colour: KINDS[kind][1] })),
    option: (c, width) => curveOption(c, width, fix, scale),
    csv: () => [["training", "step", "mean", "least", "largest"], ...fix.curves.flatMap((curve) => curve.step.map((step, i) => [curve.name, step, curve.mean[i], curve.low[i], curve.high[i]]))],
  });
}

function curveOption(c, width, fix, scale) {
  const at = (value) => (drawable(scale, value) ? place(scale, value) : null);
  const last = Math.max(...fix.curves.flatMap((curve) => curve.step));
  const invisible = { type: "line", symbol: "none", silent: true, lineStyle: { opacity: 0 }, stackStrategy: "all" };
  const series = fix.curves.flatMap((curve, i) => {
    const colour = c[KINDS[curve.kind][1]];
    const own = { type: "line", name: curve.name, symbol: "none", lineStyle: { color: colour, width: curve.kind === "other" ? 1 : 2.2, opacity: curve.kind === "other" ? 0.4 : 1, type: curve.kind === "control" ? "dashed" : "solid" }, itemStyle: { color: colour }, data: curve.step.map((step, k) => [step, at(curve.mean[k])]) };
    if (curve.kind === "other") return [own];
    return [
      { ...invisible, stack: `band ${i}`, data: curve.step.map((step, k) => [step, at(curve.low[k])]) },
      { ...invisible, stack: `band ${i}`, areaStyle: { color: colour, opacity: 0.15 }, data: curve.step.map((step, k) => [step, at(curve.high[k]) - at(curve.low[k])]) },
      own,
    ];
  });
  const named = new Map(fix.curves.map((curve) => [curve.name, curve]));
  return {
    grid: { left: width < 560 ? 46 : 60, right: 18, top: 12, bottom: 44 },
    xAxis: xAxis(c, { min: 0, max: last, name: "optimizer step" }),
    yAxis: yAxis(scale, c),
    tooltip: { ...base(c).tooltip, formatter: (given) => told(`step ${whole(given[0].value[0])}`, given.filter((each) => named.has(each.seriesName)).map((each) => [each.seriesName, number(scale.log ? 10 ** each.value[1] : each.value[1], 3)]).slice(0, 8)) },
    series,
  };
}

function profiles(main, fix) {
  const shown = Object.entries(fix.profiles);
  if (!shown.length) return;
  const scale = logScale(shown.flatMap(([, each]) => each.points.map(([, share]) => share)), { least: 3, around: 1 });
  const when = shown.map(([kind, each]) => `${KINDS[kind][0]} ${each.when}`).join("; ");
  figure(main, {
    id: "remedies-profile",
    title: "The gradient on its way back, before and after",
    unit: "share of the last layer's gradient, log scale",
    definition: `Frobenius norm of the gradient with respect to each layer's output, beside the last layer's. ${when.charAt(0).toUpperCase()}${when.slice(1)}.`,
    says: shown.map(([kind, each]) => `${KINDS[kind][0]}: ${number(each.points[0][1])} arrives at the first layer`).join("; "),
    height: 300,
    legend: shown.map(([kind]) => ({ name: KINDS[kind][0], mark: "line", colour: KINDS[kind][1] })),
    option: (c, width) => ({
      grid: { left: width < 560 ? 46 : 60, right: 18, top: 12, bottom: 44 },
      xAxis: depthAxis(c, shown.flatMap(([, each]) => each.points.map(([depth]) => depth)), width),
      yAxis: yAxis(scale, c),
      tooltip: { ...base(c).tooltip, formatter: (given) => told(`depth ${given[0].value[0]}`, given.map((each) => [each.seriesName, number(10 ** each.value[1])])) },
      series: shown.map(([kind, each]) => ({ type: "line", name: KINDS[kind][0], symbol: each.points.length < 80 ? "circle" : "none", symbolSize: 5, lineStyle: { color: c[KINDS[kind][1]], width: 2.2 }, itemStyle: { color: c[KINDS[kind][1]] }, data: each.points.map(([depth, share]) => [depth, drawable(scale, share) ? place(scale, share) : null]) })),
    }),
    csv: () => [["series", "depth", "share"], ...shown.flatMap(([kind, each]) => each.points.map(([depth, share]) => [KINDS[kind][0], depth, share]))],
  });
}

function change(fix) {
  if (!fix.diff.length && !fix.snippet.length && !fix.not_written.length) return null;
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, "The change"),
    fix.diff.length ? h("pre", { class: "diff", tabindex: "0" }, fix.diff.map(([kind, line]) => h("span", { class: kind }, `${line}\n`))) : null,
    fix.not_written.length ? [h("h3", {}, "Not in the diff"), h("ul", { class: "quiet" }, fix.not_written.map((said) => h("li", {}, said)))] : null,
    fix.snippet.length ? [h("h3", {}, "As plain PyTorch"), h("pre", { class: "diff", tabindex: "0" }, h("span", {}, fix.snippet.join("\n")))] : null,
  );
}
