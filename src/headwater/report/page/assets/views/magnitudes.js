// Magnitudes of a layer's gradient, weights and activations, beside what the number formats can hold.

import { base, figure, told, xAxis } from "../figure.js";
import { power } from "../format.js";

const KINDS = [["gradient", "water"], ["weight", "branch"], ["activation", "activation"]];
// log2 of the least subnormal number, the least normal and the largest: IEEE 754; OCP 8-bit floating point, 2023.
const FORMATS = [["fp32", -149, -126, 128], ["bf16", -133, -126, 128], ["fp16", -24, -14, 16], ["fp8 e5m2", -16, -14, 15.8], ["fp8 e4m3", -9, -6, 8.8]];

export function histogramFigure(main, name, magnitudes) {
  const histograms = Object.fromEntries(Object.entries(magnitudes).map(([kind, { lowest, counts }]) => [kind, { counts, log2: counts.map((_, i) => lowest + i) }]));
  const kinds = KINDS.filter(([kind]) => histograms[kind]?.counts.length);
  if (!kinds.length) return;
  const bins = kinds.flatMap(([kind]) => histograms[kind].log2);
  const range = [Math.min(-30, ...bins) - 2, Math.max(18, ...bins) + 3];
  figure(main, {
    id: "layer-magnitudes",
    title: `Magnitudes in ${name}`,
    unit: "share of the elements in each power of two",
    definition: "log₂ of the absolute values of an evenly spaced sample, at the last step that was itemised: the gradient at the layer's output, the weight, and what it is applied to. Exact zeros are not counted. Bars below: what each number format holds, pale where it holds fewer digits (subnormal).",
    says: kinds.map(([kind]) => `${kind}: most at 2 to the power of ${modeOf(histograms[kind])}`).join("; "),
    height: 300,
    legend: kinds.map(([kind, colour]) => ({ name: kind, mark: "", colour })),
    option: (c, width) => option(c, width, histograms, kinds, range),
    csv: () => [["kind", "log2", "count"], ...kinds.flatMap(([kind]) => histograms[kind].log2.map((bin, i) => [kind, bin, histograms[kind].counts[i]]))],
  });
}

function modeOf({ log2, counts }) {
  return log2[counts.indexOf(Math.max(...counts))];
}

function option(c, width, histograms, kinds, [low, high]) {
  const shares = kinds.map(([kind, colour]) => {
    const { log2, counts } = histograms[kind];
    const total = counts.reduce((a, b) => a + b, 0) || 1;
    return { kind, colour, points: log2.map((bin, i) => [bin + 0.5, counts[i] / total]) };
  });
  const left = width < 560 ? 66 : 84;
  return {
    grid: [{ left, right: 16, top: 10, bottom: 128 }, { left, right: 16, height: 80, bottom: 34 }],
    xAxis: [
      xAxis(c, { min: low, max: high, axisLabel: { show: false } }),
      xAxis(c, { gridIndex: 1, min: low, max: high, name: "magnitude", axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true, showMinLabel: false, showMaxLabel: false, formatter: (value) => (Number.isInteger(value) ? power(value).replace(/^10/, "2").replace(/^[\d.]+$/, String(2 ** value)) : "") } }),
    ],
    yAxis: [
      { type: "value", axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: c.soft, fontSize: 11, formatter: (value) => `${Math.round(100 * value)} %` }, splitLine: { lineStyle: { color: c.faint } } },
      { type: "category", gridIndex: 1, data: FORMATS.map(([name]) => name).reverse(), axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: c.soft, fontSize: 11 } },
    ],
    tooltip: { ...base(c).tooltip, formatter: (given) => told(`2^${Math.floor(given[0].value[0])}`, given.filter((each) => each.seriesType === "line").map((each) => [each.seriesName, `${(100 * each.value[1]).toPrecision(2)} %`])) },
    series: [
      ...shares.map(({ kind, colour, points }) => ({ type: "line", name: kind, step: "middle", symbol: "none", lineStyle: { color: c[colour], width: 1.5 }, itemStyle: { color: c[colour] }, areaStyle: { color: c[colour], opacity: 0.14 }, data: points })),
      {
        type: "custom", xAxisIndex: 1, yAxisIndex: 1, clip: true, silent: true, tooltip: { show: false }, data: FORMATS.map((_, i) => [0, FORMATS.length - 1 - i]),
        renderItem: (params, api) => {
          const [, subnormal, normal, largest] = FORMATS[params.dataIndex];
          const row = FORMATS.length - 1 - params.dataIndex;
          const bar = (from, to, opacity) => {
            const [a, y] = api.coord([Math.max(from, low), row]);
            const [b] = api.coord([Math.min(to, high), row]);
            return { type: "rect", shape: { x: a, y: y - 4, width: Math.max(0, b - a), height: 8 }, style: { fill: c.soft, opacity } };
          };
          return { type: "group", children: [bar(subnormal, normal, 0.25), bar(normal, largest, 0.65)] };
        },
      },
    ],
  };
}
