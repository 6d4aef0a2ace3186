// The learning rate: the range test, the sharpness against what the optimizer bears, and short trainings at other rates.

import { h, pairs } from "../dom.js";
import { base, figure, told, xAxis } from "../figure.js";
import { factor, num, number } from "../format.js";
import { drawable, linearScale, logScale, place, yAxis } from "../scales.js";

export const rateView = { id: "rate", title: "Learning rate", shown: ({ report, overview }) => Boolean(overview.range_test || report?.rate), draw };

function draw(main, { report, overview }) {
  const { rate } = report ?? {};
  if (overview.range_test) rangeFigure(main, overview.range_test);
  if (rate) main.append(known(rate));
  if (rate && num(rate.sharpness) !== null && num(rate.threshold) !== null) sharpnessFigure(main, rate);
  if (rate?.arms.length) armsFigure(main, rate);
  if (!overview.range_test) main.append(h("section", { class: "panel missing" }, h("h2", {}, "Range test"), h("p", {}, "Which rate the loss asks for takes a training whose rate grows. This page shows it after:"), h("pre", {}, "headwater check mine.py:network --range-test rates.png --html report.html")));
}

function known(rate) {
  const facts = [["rate", number(rate.rate)], ["its schedule reaches", rate.scheduled === null ? null : number(rate.scheduled)], ["decrease of the loss over its first-order prediction", rate.rho === null ? null : factor(rate.rho)], ["loss taken away", rate.fell === null ? null : number(rate.fell)], ["median relative update", rate.update === null ? null : number(rate.update)]].filter(([, value]) => value);
  return h("section", { class: "panel" }, h("h2", {}, "The rate as it is"), pairs(facts, "facts"), rate.says && h("p", { class: "note" }, `${rate.says}.`));
}

function rangeFigure(main, test) {
  const losses = [...test.smoothed, ...test.trials.map(([, loss]) => loss)].map(num).filter(Number.isFinite);
  const [low, first] = [Math.min(...losses), num(test.smoothed[0])];
  const height = Math.max(Math.abs(first - low), 1e-3 * Math.abs(first), 1e-12);
  const scale = linearScale([low - 0.1 * height, low + 1.9 * height]);
  const rates = test.rates.map(num);
  const marks = [["suggested", test.suggested, "after", "solid"], ["yours", test.rate, "activation", "dashed"], ["stability limit at the start", test.limit, "branch", "dotted"]].filter(([, rate]) => num(rate) !== null);
  figure(main, {
    id: "rate-range",
    title: `Range test, ${test.optimizer}: ${test.says}`,
    unit: "loss of a batch",
    definition: "A short training of a copy whose rate grows from step to step, its loss smoothed; dots are short trainings at one rate, each from the same start. Where the loss leaves, it leaves the picture.",
    says: test.says,
    height: 300,
    legend: [{ name: "loss, the rate growing", mark: "line", colour: "water" }, ...(test.trials.length ? [{ name: "after a training at one rate", mark: "dot", colour: "ink" }] : []), ...marks.map(([name, rate, colour, type]) => ({ name: `${name}: ${number(rate)}`, mark: type === "solid" ? "line" : "dashed", colour }))],
    option: (c, width) => rangeOption(c, width, test, rates, scale, marks),
    csv: () => [["kind", "rate", "loss", "smoothed"], ...rates.map((rate, i) => ["growing", rate, test.losses[i], test.smoothed[i]]), ...test.trials.map(([rate, loss]) => ["at one rate", rate, loss, null])],
  });
}

function rangeOption(c, width, test, rates, scale, marks) {
  const inside = (value) => (drawable(scale, value) && num(value) <= scale.high ? num(value) : null);
  const log = rates.map(Math.log10);
  return {
    grid: { left: width < 560 ? 46 : 60, right: 18, top: 14, bottom: 44 },
    xAxis: rateAxis(c, [...log, ...marks.map(([, rate]) => Math.log10(num(rate)))], "learning rate, log scale"),
    yAxis: yAxis(scale, c),
    tooltip: { ...base(c).tooltip, formatter: (given) => told(`rate ${number(10 ** given[0].value[0], 3)}`, given.map((each) => [each.seriesName, number(each.value[1], 3)])) },
    series: [
      { type: "line", name: "loss", symbol: "none", lineStyle: { color: c.water, width: 1, opacity: 0.3 }, data: log.map((rate, i) => [rate, inside(test.losses[i])]) },
      { type: "line", name: "smoothed", symbol: "none", lineStyle: { color: c.water, width: 2.2 }, itemStyle: { color: c.water }, data: log.map((rate, i) => [rate, inside(test.smoothed[i])]),
        markLine: { silent: true, symbol: "none", animation: false, label: { show: false }, data: marks.map(([, rate, colour, type]) => ({ xAxis: Math.log10(num(rate)), lineStyle: { color: c[colour], type, width: 1.8 } })) } },
      { type: "scatter", name: "at one rate", symbolSize: 8, itemStyle: { color: c.ink }, data: test.trials.filter(([, loss]) => inside(loss) !== null).map(([rate, loss]) => [Math.log10(num(rate)), num(loss)]) },
    ],
  };
}

function rateAxis(c, logs, name) {
  const scale = logScale(logs.filter(Number.isFinite).map((log) => 10 ** log), { least: 1, most: 8 });
  const labels = new Map(scale.ticks.map((tick) => [tick.at, tick.label]));
  return xAxis(c, { min: scale.low, max: scale.high, name, axisLabel: { color: c.soft, fontSize: 11, customValues: scale.ticks.map((tick) => tick.at), formatter: (value) => labels.get(value) ?? "" } });
}

// A line of numbers: where the sharpness lies below the threshold, the step is stable.
function sharpnessFigure(main, rate) {
  const [sharpness, threshold] = [num(rate.sharpness), num(rate.threshold)];
  const values = [sharpness, threshold].filter((value) => value > 0 && Number.isFinite(value));
  if (!values.length) return;
  const scale = logScale(values, { least: 2 });
  figure(main, {
    id: "rate-sharpness",
    title: sharpness <= threshold ? `The sharpness lies at ${factor(rate.place)} of what the optimizer bears` : `The sharpness is ${factor(rate.place)} times what the optimizer bears`,
    unit: "sharpness, log scale",
    definition: "Sharpness: largest eigenvalue of the Hessian of the loss, divided by what the optimizer divides the gradient by. Beyond the threshold, 2 / rate for plain gradient descent, steps overshoot and oscillate ever wider.",
    says: rate.says,
    height: 130,
    legend: [{ name: `sharpness ${number(sharpness)}`, mark: "dot", colour: sharpness <= threshold ? "after" : "bad" }, { name: `threshold ${number(threshold)}`, mark: "line", colour: "ink" }, { name: "unstable", mark: "", colour: "bad" }],
    option: (c, width) => ({
      grid: { left: 20, right: 20, top: 26, bottom: 34 },
      tooltip: { show: false },
      xAxis: rateAxis(c, [scale.low + 0.01, scale.high - 0.01], ""),
      yAxis: { type: "value", min: 0, max: 1, show: false },
      series: [{
        type: "scatter", symbolSize: 16, itemStyle: { color: sharpness <= threshold ? c.after : c.bad, borderColor: c.card, borderWidth: 2 }, data: [[place(scale, sharpness), 0.5]], z: 3,
        markArea: { silent: true, animation: false, itemStyle: { color: c.bad, opacity: 0.1 }, data: [[{ xAxis: place(scale, threshold) }, { xAxis: scale.high }]] },
        markLine: { silent: true, symbol: "none", animation: false, lineStyle: { color: c.ink, type: "solid", width: 2 }, label: { formatter: () => "threshold", color: c.soft, fontSize: 11 }, data: [{ xAxis: place(scale, threshold) }] },
      }],
    }),
    csv: () => [["rate", "sharpness", "threshold", "sharpness / threshold"], [num(rate.rate), sharpness, threshold, num(rate.place)]],
  });
}

function armsFigure(main, rate) {
  const arms = rate.arms.filter((arm) => arm.losses.length);
  const levels = arms.flatMap((arm) => arm.losses).map(num).filter(Number.isFinite);
  if (!levels.length) return;
  const scale = linearScale(levels);
  const name = (arm) => (arm.factor === 0 ? "stands still" : `rate × ${number(arm.factor)}${arm.decaying ? ", decaying" : ""}`);
  figure(main, {
    id: "rate-arms",
    title: "Short trainings at other rates",
    unit: "loss of a batch, over the last third",
    definition: "Each begins at the same weights and sees the same batches and random numbers. A box reaches over the middle half of the losses, its line is the mean; a cross: the loss left the finite numbers.",
    says: arms.map((arm) => `${name(arm)}: ${number(arm.level, 3)}`).join("; "),
    height: 90 + 34 * arms.length,
    option: (c, width) => armsOption(c, width, arms, scale, name),
    csv: () => [["training", "factor", "decaying", "steps", "level", "learned", "losses"], ...arms.map((arm) => [name(arm), arm.factor, arm.decaying, arm.steps, arm.level, arm.learned, arm.losses.join(" ")])],
  });
}

function armsOption(c, width, arms, scale, name) {
  return {
    grid: { left: width < 560 ? 96 : 130, right: 30, top: 8, bottom: 40 },
    tooltip: { ...base(c).tooltip, trigger: "item", formatter: ({ dataIndex }) => told(name(arms[dataIndex]), [["mean loss", number(arms[dataIndex].level, 4)], ["steps", String(arms[dataIndex].steps)], ["learned", arms[dataIndex].learned === null ? "–" : number(arms[dataIndex].learned)]]) },
    xAxis: xAxis(c, { min: scale.low, max: scale.high, splitLine: { show: true, lineStyle: { color: c.faint } }, axisLabel: { color: c.soft, fontSize: 11, showMinLabel: false, showMaxLabel: false, formatter: (value) => number(value, 3) }, name: "loss" }),
    yAxis: { type: "category", data: arms.map(name), inverse: true, axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: c.ink, fontSize: 12 } },
    series: [{
      type: "custom",
      data: arms.map((arm, i) => [num(arm.level), i]),
      renderItem: ({ dataIndex }, api) => {
        const losses = arms[dataIndex].losses.map(num).filter(Number.isFinite).sort((a, b) => a - b);
        const colour = arms[dataIndex].factor === 1 ? c.activation : arms[dataIndex].factor === 0 ? c.soft : c.water;
        const x = (value) => api.coord([place(scale, value), dataIndex])[0];
        const y = api.coord([scale.low, dataIndex])[1];
        if (losses.length < arms[dataIndex].losses.length) return { type: "text", style: { x: x(scale.high) - 8, y: y - 7, text: "✕", fill: c.bad, fontSize: 14 } };
        const [low, high] = [losses[Math.floor(losses.length / 4)], losses[Math.floor((3 * losses.length) / 4)]];
        const level = x(num(arms[dataIndex].level));
        return { type: "group", children: [
          { type: "line", shape: { x1: x(losses[0]), x2: x(losses.at(-1)), y1: y, y2: y }, style: { stroke: colour, lineWidth: 1, opacity: 0.6 } },
          { type: "rect", shape: { x: x(low), y: y - 8, width: Math.max(1, x(high) - x(low)), height: 16 }, style: { fill: colour, opacity: 0.3 } },
          { type: "line", shape: { x1: level, x2: level, y1: y - 10, y2: y + 10 }, style: { stroke: colour, lineWidth: 2.5 } },
        ] };
      },
    }],
  };
}
