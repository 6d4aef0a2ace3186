// The one picture: the share of the last layer's gradient that each layer receives, before and after the fix.

import { base, depthAxis, figure, told } from "../figure.js";
import { factor, num, number } from "../format.js";
import { drawable, logScale, marked, place, yAxis } from "../scales.js";
import { timeFigure } from "./time.js";

export function heroFigure(main, state, leading) {
  if (leading?.code.startsWith("HW2") && state.report?.time[0]?.points.length > 1) {
    timeFigure(main, state.report.time[0], 0);
    return;
  }
  const shown = shares(state.report?.flow, state.fix);
  if (!shown.before.length) return;
  const all = [...shown.before, ...shown.after].map((point) => point.share);
  const scale = logScale(all, { least: 3, around: shown.relative ? 1 : null, foot: 0.07 });
  figure(main, {
    id: "gradient",
    title: "Where the gradient goes",
    unit: shown.relative ? "share of the last layer's gradient, log scale" : "gradient norm, log scale",
    definition: shown.relative
      ? "Frobenius norm of the gradient with respect to each layer's output, over the batch, beside the last layer's. It flows from right to left."
      : "Frobenius norm of the gradient with respect to each layer's output, over the batch. It flows from right to left.",
    says: says(shown),
    height: 236,
    legend: legend(shown),
    option: (c, width) => option(c, width, shown, scale),
    csv: () => [["series", "layer", "depth", "value"], ...["before", "after"].flatMap((kind) => shown[kind].map((point) => [kind === "before" ? "measured" : "after the fix", point.name, point.depth, point.share]))],
    click: ({ data }) => data?.layer && state.go({ v: "layer", a: data.layer }),
  });
}

// The trunk of the report; without a report, the search's own profile. Absolute where the last layer has no gradient.
function shares(flow, fix) {
  const profiles = fix?.profiles ?? {};
  const after = (profiles.recommended?.points ?? []).map(([depth, share]) => ({ name: `layer ${depth}`, depth, share }));
  if (!flow) {
    const before = (profiles.original?.points ?? []).map(([depth, share]) => ({ name: `layer ${depth}`, depth, share }));
    return { before, after, relative: true };
  }
  const trunk = flow.name.map((name, i) => ({ name, depth: flow.depth[i], signal: num(flow.signal[i]), gain: flow.gain[i], kind: flow.kind[i] })).filter((each) => each.kind !== "branch" && each.signal !== null);
  const last = trunk.at(-1)?.signal ?? 0;
  const relative = last > 0 && Number.isFinite(last);
  return { before: trunk.map((each) => ({ ...each, share: relative ? each.signal / last : each.signal })), after: relative ? after : [], relative };
}

function legend({ after, relative }) {
  const items = [{ name: after.length ? "before" : "measured", mark: "line", colour: "water" }];
  if (after.length) items.push({ name: "after the fix", mark: "line", colour: "after" });
  if (relative) items.push({ name: "were nothing lost", mark: "dashed", colour: "soft" });
  return items;
}

function says({ before, after }) {
  const end = after.length ? ` After the fix, ${number(after[0].share)} arrives.` : "";
  return `At the first layer ${number(before[0].share)} arrives.${end}`;
}

function option(c, width, { before, after, relative }, scale) {
  const narrow = width < 560;
  const depths = [...before, ...after].map((point) => point.depth);
  const [low, high] = [Math.min(...depths), Math.max(...depths)];
  return {
    grid: { left: narrow ? 46 : 60, right: narrow ? 14 : 22, top: 16, bottom: 44 },
    xAxis: depthAxis(c, depths, width),
    yAxis: yAxis(scale, c),
    tooltip: tooltip(c, relative),
    series: [
      line("measured", before, scale, c.water, c, narrow, true),
      ...(after.length ? [line("after the fix", after, scale, c.after, c, narrow, false)] : []),
      ...lost(before, scale, c),
      ...(relative ? [{ type: "line", silent: true, symbol: "none", tooltip: { show: false }, lineStyle: { color: c.soft, type: "dashed", width: 1 }, data: [[low, place(scale, 1)], [high, place(scale, 1)]] }] : []),
    ],
  };
}

function line(name, points, scale, colour, c, narrow, filled) {
  const few = points.length <= 80;
  const fade = { type: "linear", x: 0, y: 0, x2: 0, y2: 1, colorStops: [{ offset: 0, color: `${colour}4d` }, { offset: 1, color: `${colour}0d` }] };
  return {
    type: "line",
    name,
    symbol: few ? "circle" : "none",
    symbolSize: narrow ? 4 : 5,
    z: filled ? 2 : 3,
    lineStyle: { color: colour, width: 2.4 },
    itemStyle: { color: colour },
    areaStyle: filled ? { color: fade, origin: "start" } : undefined,
    data: points.map((point, i) => ({
      value: [point.depth, drawable(scale, point.share) ? place(scale, point.share) : null],
      layer: point.kind === "layer" ? point.name : null,
      point,
      label: i === 0 && points.length > 1 ? end(points, c, scale) : undefined,
    })),
  };
}

// What arrives at the first layer, in words beside its mark.
function end(points, c, scale) {
  const height = (share) => (place(scale, share) - scale.bottom) / (scale.high - scale.bottom);
  const here = height(points[0].share);
  const rises = height(points[Math.max(1, Math.floor(points.length / 6))].share) > here + 0.01;
  const below = here > 0.75 || (rises && here > 0.04);
  return { show: true, formatter: () => `${number(points[0].share)} arrives`, position: rises ? "right" : below ? "bottom" : "top", align: "left", offset: rises ? [7, below ? 9 : -12] : [4, below ? 2 : -4], color: c.ink, fontSize: 12.5, fontWeight: 600, textBorderColor: c.card, textBorderWidth: 3 };
}

function lost(points, scale, c) {
  const data = points.filter((point) => marked(point.share)).map((point) => ({ value: [point.depth, place(scale, point.share)], label: { formatter: () => marked(point.share) } }));
  const few = data.length <= 40;
  return data.length ? [{ type: "scatter", symbolSize: 6, z: 4, tooltip: { show: false }, itemStyle: { color: c.bad }, label: { show: few, position: "top", color: c.bad, fontWeight: 700, fontSize: 11 }, data }] : [];
}

function tooltip(c, relative) {
  return {
    ...base(c).tooltip,
    formatter: (given) => {
      const points = given.filter(({ data }) => data?.point);
      if (!points.length) return "";
      const { point } = points[0].data;
      return told(point.name, [
        ...points.map(({ data, seriesName }) => [seriesName, number(data.point.share)]),
        relative && point.signal !== undefined ? ["gradient norm", number(point.signal)] : null,
        point.gain !== undefined ? ["gain", factor(point.gain)] : null,
      ]);
    },
  };
}
