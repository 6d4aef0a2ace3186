// The gradient through time: one figure for each recurrent layer, with its memory horizon.

import { h } from "../dom.js";
import { base, figure, told, xAxis } from "../figure.js";
import { factor, num, number } from "../format.js";
import { drawable, logScale, place, yAxis } from "../scales.js";

export const timeView = { id: "time", title: "Through time", shown: ({ report }) => Boolean(report?.time.length), draw };

function draw(main, { report }) {
  report.time.forEach((profile, i) => {
    if (profile.points.length > 1) timeFigure(main, profile, i);
    else main.append(h("section", { class: "panel" }, h("h2", {}, profile.title), h("p", { class: "note" }, `${profile.says}.`)));
  });
}

export function timeFigure(main, profile, i) {
  const points = profile.points.map(([step, share]) => [step + 1, num(share)]);
  const scale = logScale(points.map(([, share]) => share), { least: 3, around: 1 });
  const horizon = num(profile.horizon);
  figure(main, {
    id: `time-${i + 1}`,
    title: profile.title,
    unit: "share of the last step's gradient, log scale",
    definition: `${profile.says.charAt(0).toUpperCase()}${profile.says.slice(1)}. Frobenius norm of ${profile.probe === "loss" ? "the gradient of the loss with respect to each state" : "random vectors sent back from the last state"}, beside that at the last step. The memory horizon is -1 / ln(gain): after so many steps e⁻¹ is left.`,
    says: profile.says,
    height: 240,
    legend: [{ name: "measured", mark: "line", colour: "water" }, { name: "were nothing lost", mark: "dashed", colour: "soft" }, ...(horizon ? [{ name: "one memory horizon back", mark: "line", colour: "branch" }] : [])],
    option: (c, width) => option(c, width, profile, points, scale, horizon),
    csv: () => [["step", "share of the last step's gradient"], ...points],
  });
}

function option(c, width, profile, points, scale, horizon) {
  const few = points.length <= 80;
  const edge = horizon ? Math.max(0.5, profile.length - horizon) : null;
  return {
    grid: { left: width < 560 ? 46 : 60, right: 18, top: 16, bottom: 44 },
    xAxis: xAxis(c, { min: 0.5, max: profile.length + 0.5, minInterval: 1, name: "step of the sequence; the gradient flows from the last (right) to the first", axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true, formatter: (value) => (Number.isInteger(value) ? String(value) : "") } }),
    yAxis: yAxis(scale, c),
    tooltip: { ...base(c).tooltip, formatter: (given) => told(`step ${given[0].value[0]}`, [["share of the last", number(points.find(([step]) => step === given[0].value[0])?.[1] ?? null)], ["gain a step", factor(profile.gain)]]) },
    series: [
      {
        type: "line", symbol: few ? "circle" : "none", symbolSize: 5, lineStyle: { color: c.water, width: 2.2 }, itemStyle: { color: c.water },
        areaStyle: { origin: "start", color: c.water, opacity: 0.14 },
        data: points.map(([step, share]) => [step, drawable(scale, share) ? place(scale, share) : null]),
        markLine: {
          silent: true, symbol: "none", animation: false, label: { show: false },
          data: [
            { yAxis: place(scale, 1), lineStyle: { color: c.soft, type: "dashed", width: 1 } },
            ...(edge === null ? [] : [{ xAxis: edge, lineStyle: { color: c.branch, type: "solid", width: 1.4 }, label: { show: true, formatter: () => `${number(horizon)} steps`, color: c.branch, fontSize: 11, position: "insideEndTop", rotate: 0, align: edge > profile.length / 2 ? "right" : "left", distance: 6 } }]),
          ],
        },
      },
    ],
  };
}
