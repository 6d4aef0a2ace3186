// Axes. A logarithmic one also has a place for zero, below the smallest number, and for what is not finite, at its top.

import { num, number, power } from "./format.js";

const ZERO = 0.08;
const FINE = 2.2;

// An axis in decades over all values, at least `least` decades long, that includes `around`.
export function logScale(values, { least = 3, around = null, most = 7, foot = 0 } = {}) {
  const known = values.map(num).filter((value) => value !== null);
  const logs = known.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10);
  if (around !== null) logs.push(Math.log10(around));
  let low = logs.length ? logs.reduce((a, b) => Math.min(a, b)) : -1;
  let high = logs.length ? logs.reduce((a, b) => Math.max(a, b)) : 0;
  const pad = Math.max(0.06 * (high - low), 0.5 * (least - (high - low)));
  low -= pad + foot * (high - low + pad);
  high += pad;
  const zero = known.some((value) => value === 0);
  const ticks = logs.length || !zero ? decades(low, high, most) : [];
  const bottom = zero ? low - ZERO * (high - low) : low;
  if (zero) ticks.unshift({ at: bottom, label: "0" });
  return { low, high, bottom, ticks, log: true };
}

export function linearScale(values, { from = null } = {}) {
  const known = values.map(num).filter((value) => value !== null && Number.isFinite(value));
  if (from !== null) known.push(from);
  const low = known.length ? known.reduce((a, b) => Math.min(a, b)) : 0;
  const high = known.length ? known.reduce((a, b) => Math.max(a, b)) : 1;
  const pad = 0.06 * (high - low) || Math.abs(high) * 0.1 || 0.5;
  return { low: low - (from === low ? 0 : pad), high: high + pad, bottom: low - (from === low ? 0 : pad), ticks: null, log: false };
}

// Where a number stands on the axis; null where there is none.
export function place(scale, given) {
  const value = num(given);
  if (value === null) return null;
  if (!scale.log) return Number.isFinite(value) ? Math.min(Math.max(value, scale.bottom), scale.high) : scale.high;
  if (value === 0) return scale.bottom;
  if (!(value > 0) || !Number.isFinite(value)) return scale.high;
  return Math.min(Math.max(Math.log10(value), scale.bottom), scale.high);
}

// Whether it has a true place there: lines are broken where it has not.
export function drawable(scale, given) {
  const value = num(given);
  return value !== null && Number.isFinite(value) && (!scale.log || value >= 0);
}

export function marked(given) {
  const value = num(given);
  if (value === null) return "";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return value === 0 ? "0" : "";
}

// The axis as ECharts wants it.
export function yAxis(scale, c, extra = {}) {
  const values = scale.ticks?.map((tick) => tick.at);
  const labels = new Map(scale.ticks?.map((tick) => [tick.at, tick.label]));
  return {
    type: "value",
    min: scale.bottom,
    max: scale.high,
    axisLine: { show: false },
    axisTick: { show: false, customValues: values },
    axisLabel: {
      color: c.soft,
      fontSize: 11,
      customValues: values,
      showMinLabel: scale.log ? null : false,
      showMaxLabel: scale.log ? null : false,
      formatter: (value) => labels.get(value) ?? number(value, 3),
    },
    splitLine: { lineStyle: { color: c.faint } },
    axisPointer: { label: { formatter: ({ value }) => (scale.log ? number(10 ** value) : number(value, 3)) } },
    ...extra,
  };
}

function decades(low, high, most) {
  const found = [];
  if (high - low <= FINE) {
    for (let decade = Math.floor(low); decade <= high; decade++) {
      for (const mantissa of [1, 2, 5]) found.push({ at: Math.log10(mantissa) + decade, label: number(mantissa * 10 ** decade) });
    }
  } else {
    const step = [1, 2, 5, 10, 20, 50, 100, 200].find((each) => (high - low) / each <= most) ?? 500;
    for (let decade = Math.ceil(low / step) * step; decade <= high; decade += step) found.push({ at: decade, label: power(decade) });
  }
  return found.filter((tick) => tick.at >= low && tick.at <= high);
}
