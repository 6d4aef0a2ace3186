// A heat map of layers by steps, painted as one image: a hundred thousand cells then cost no more than ten.

import { h } from "./dom.js";
import { num, number, shortened, whole } from "./format.js";
import { xAxis } from "./figure.js";
import { linearScale, logScale, place } from "./scales.js";

// seaborn's mako: its lightness grows evenly, so that it reads in grey and with any kind of colour blindness.
const STOPS = ["#0b0405", "#231526", "#35264c", "#403a75", "#3d5296", "#366da0", "#3487a6", "#35a1ab", "#43bbad", "#6cd3ad", "#add9c0", "#def5e5"];
const ZERO = "#b9906a"; // only where decades are drawn: elsewhere zero is a number among others
const NOT_FINITE = "#d81b60";
const WIDEST = 1200; // pixels of the picture, about as many as a screen shows

// Room for the names of layers, on the left.
export function heatRoom(width) {
  return width < 560 ? 84 : 118;
}

export function heatScale(history, statistic) {
  const values = history.values.flat();
  return statistic.scale === "linear" ? linearScale(values) : logScale(values, { least: 1, most: 6 });
}

// The option for ECharts. `range`: the steps that the axis spans, `zoom`: those in view.
export function heatOption(c, width, { history, scale, range, zoom, marks }) {
  const rows = history.layers.length;
  const image = painted(history, scale);
  const every = Math.ceil(rows / (width < 560 ? 8 : 14));
  return {
    grid: { left: heatRoom(width), right: 16, top: 10, bottom: 62 },
    tooltip: { show: false },
    xAxis: xAxis(c, { min: range.first, max: range.last + 1, minInterval: 1, name: "optimizer step", axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true, formatter: whole } }),
    yAxis: {
      type: "value",
      min: 0,
      max: rows,
      interval: every,
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: {
        color: c.soft,
        fontSize: 11,
        showMaxLabel: false,
        verticalAlign: "bottom",
        formatter: (row) => shortened(history.layers[Math.round(row)] ?? "", width < 560 ? 12 : 17),
      },
    },
    dataZoom: zooms(c, zoom),
    series: [
      {
        type: "custom",
        clip: true,
        data: [[history.first, 0]],
        encode: { x: 0, y: 1 },
        renderItem: (_, api) => {
          const [left, top] = api.coord([history.first, rows]);
          const [right, bottom] = api.coord([history.last + 1, 0]);
          return { type: "image", silent: true, style: { image, x: left, y: top, width: right - left, height: bottom - top } };
        },
        markLine: marks,
      },
    ],
  };
}

export function zooms(c, zoom, slider = true) {
  const shared = { xAxisIndex: 0, filterMode: "none", startValue: zoom.first, endValue: zoom.last + 1 };
  const inside = { ...shared, type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseMove: false, moveOnMouseWheel: false };
  const style = { height: 16, bottom: 8, borderColor: c.line, fillerColor: `${c.water}22`, backgroundColor: "transparent", showDetail: false, brushSelect: false, showDataShadow: false, handleStyle: { color: c.card, borderColor: c.soft }, moveHandleSize: 0 };
  return slider ? [inside, { ...shared, ...style, type: "slider" }] : [inside];
}

// What stands at a place of the picture: the layer, the step and the value.
export function cellAt(chart, history, x, y) {
  if (!chart.containPixel({ gridIndex: 0 }, [x, y])) return null;
  const [step, row] = chart.convertFromPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [x, y]);
  const [column, at] = [lookAt(history, step), between(Math.floor(row), history.layers.length)];
  return column < 0 ? { layer: history.layers[at], row: at, step: Math.floor(step), since: null, value: null } : cellOf(history, column, at);
}

export function cellWords({ layer, step, since, value }) {
  if (value === null) return `${layer} · step ${whole(step)} · nothing was recorded yet`;
  return `${layer} · step ${whole(step)}${since < step ? ` (seen at ${whole(since)})` : ""} · ${number(value, 3)}`;
}

// The arrow keys walk over the picture, from the output at the last step in view; Enter opens the layer, + and − zoom.
export function walkable(box, chart, made, { tell, enter, zoom }) {
  const mark = h("i", { class: "cross", hidden: true, "aria-hidden": "true" });
  let at = null;
  box.append(mark);
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.addEventListener("blur", () => (mark.hidden = true));
  box.addEventListener("keydown", (event) => {
    const { history } = made;
    const [right, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
    const by = { "+": 0.5, "=": 0.5, "-": 2 }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !(right || up || by || event.key === "Enter")) return;
    event.preventDefault();
    const [columns, rows] = [history.steps.length, history.layers.length];
    const column = at ? between(lookAt(history, at.step) + right, columns) : columns - 1;
    const row = at ? between(at.row + up, rows) : rows - 1;
    const cell = cellOf(history, column, row);
    if (event.key === "Enter" && at) enter(cell);
    mark.hidden = !(right || up);
    if (by) zoom(by, at ? cell.step : null);
    if (!right && !up) return;
    at = { step: cell.step, row };
    const [x, y] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [cell.step + 0.5, row + 0.5]);
    mark.style.transform = `translate(${x}px, ${y}px)`;
    tell(cell);
  });
}

function cellOf(history, column, row) {
  const [value, since] = held(history.values[row], column);
  return { layer: history.layers[row], row, step: history.steps[column], since: history.steps[since], value };
}

function between(at, amount) {
  return Math.min(Math.max(at, 0), amount - 1);
}

export function heatLegend(scale, history) {
  const bar = h("canvas", { class: "ramp", width: 120, height: 1, "aria-hidden": "true" });
  const context = bar.getContext("2d");
  for (let x = 0; x < 120; x++) {
    context.fillStyle = `rgb(${ramp(x / 119).join(",")})`;
    context.fillRect(x, 0, 1, 1);
  }
  const ends = [scale.low, scale.high].map((at) => number(scale.log ? 10 ** at : at));
  const values = history.values.flat().map(num).filter((value) => value !== null);
  return [
    { name: `${ends[0]} to ${ends[1]}`, ramp: STOPS, element: h("span", {}, bar) },
    scale.log && values.includes(0) && sample("exactly zero", ZERO),
    values.some((value) => !Number.isFinite(value)) && sample("NaN or infinite", NOT_FINITE),
  ].filter(Boolean);
}

function sample(name, fill) {
  return { name, mark: "", fill, element: h("span", { class: "key", style: { "--key": fill } }) };
}

// The column of the last look at or before a step; -1 before the first one.
function lookAt({ steps }, step) {
  let [low, high] = [-1, steps.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (steps[middle] <= step) low = middle;
    else high = middle - 1;
  }
  return low;
}

// The value of a column: that of the last look before it, where nobody looked then.
function held(row, column) {
  let at = column;
  while (at > 0 && row[at] === null) at--;
  return [row[at], at];
}

// One pixel for each layer and step, or for some steps. Looks do not come evenly: each colour begins where its look was
// and reaches to the next one; before the first there is none.
function painted(history, scale) {
  const [rows, span] = [history.layers.length, history.last + 1 - history.first];
  const columns = Math.min(span, WIDEST);
  const looks = Array.from({ length: columns }, (_, x) => lookAt(history, Math.ceil(history.first + ((x + 1) * span) / columns) - 1));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const packed = new Uint32Array(1);
  for (let row = 0; row < rows; row++) {
    packed[0] = 0;
    const colours = history.values[row].map((value) => {
      if (value !== null) new Uint8Array(packed.buffer).set([...colourOf(scale, value), 255]);
      return packed[0];
    });
    for (let x = 0; x < columns; x++) if (looks[x] >= 0) pixels[(rows - 1 - row) * columns + x] = colours[looks[x]];
  }
  context.putImageData(image, 0, 0);
  return enlarged(canvas);
}

// So that the edges of cells stay sharp when the picture is stretched.
function enlarged(canvas) {
  const times = [Math.max(1, Math.ceil(1600 / canvas.width)), Math.max(1, Math.ceil(800 / canvas.height))];
  const large = document.createElement("canvas");
  Object.assign(large, { width: canvas.width * times[0], height: canvas.height * times[1] });
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, large.width, large.height);
  return large;
}

function colourOf(scale, given) {
  const value = num(given);
  if (!Number.isFinite(value)) return rgb(NOT_FINITE);
  if (value === 0 && scale.log) return rgb(ZERO);
  return ramp((place(scale, value) - scale.low) / (scale.high - scale.low));
}

function ramp(share) {
  const at = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const below = Math.min(Math.floor(at), STOPS.length - 2);
  const [a, b] = [rgb(STOPS[below]), rgb(STOPS[below + 1])];
  return a.map((each, i) => Math.round(each + (b[i] - each) * (at - below)));
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
