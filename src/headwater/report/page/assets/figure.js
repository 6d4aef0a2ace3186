// A figure: what it shows, in which unit, by which definition, how to read it, and the buttons that save it.

import { append, h, later } from "./dom.js";
import { saveCsv, savePng, saveSvg } from "./saving.js";
import { colours, onTheme } from "./theme.js";

const alive = new Set();
const FONT = 'system-ui, -apple-system, "Segoe UI", sans-serif';

// Makes one. `spec`: id, title, unit, definition, height, option(colours, width), csv(), and if wanted legend and says
// (or functions that give them), click(parameters), controls (elements beside the title).
export function figure(parent, spec) {
  const canvas = h("div", { class: "canvas", role: "img" });
  canvas.style.height = `${spec.height}px`;
  const legend = h("ul", { class: "legend" });
  const element = h(
    "figure",
    { class: "figure", id: spec.id },
    h("div", { class: "figure-head" }, h("h2", {}, spec.title), h("p", { class: "unit" }, spec.unit), spec.controls ?? [], savers(spec)),
    legend,
    canvas,
    h("figcaption", {}, spec.definition),
  );
  parent.append(element);
  const width = canvas.clientWidth || likelyWidth(); // what is drawn anew stands in the page only when it is whole
  const chart = globalThis.echarts.init(canvas, null, { renderer: "canvas", width, height: spec.height });
  const made = { element, canvas, chart, spec, width };
  made.redraw = () => draw(made, legend);
  made.redraw();
  const resized = new ResizeObserver(later(60, () => resize(made)));
  resized.observe(canvas);
  if (spec.click) chart.on("click", spec.click);
  made.dispose = () => {
    resized.disconnect();
    chart.dispose();
    alive.delete(made);
  };
  alive.add(made);
  return made;
}

// What all charts share; a view adds its axes and series.
export function base(c) {
  return {
    animation: false,
    backgroundColor: "transparent",
    textStyle: { fontFamily: FONT, color: c.ink, fontSize: 12 },
    tooltip: {
      trigger: "axis",
      confine: true,
      backgroundColor: c.card,
      borderColor: c.line,
      borderWidth: 1,
      padding: [8, 10],
      textStyle: { color: c.ink, fontSize: 12, fontFamily: FONT },
      axisPointer: { type: "line", lineStyle: { color: c.soft, type: "dashed", width: 1 }, label: { show: false } },
    },
  };
}

export function xAxis(c, extra = {}) {
  return {
    type: "value",
    axisLine: { show: true, onZero: false, lineStyle: { color: c.line } },
    axisTick: { show: false },
    axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true },
    splitLine: { show: false },
    nameLocation: "middle",
    nameGap: 26,
    nameTextStyle: { color: c.soft, fontSize: 11 },
    ...extra,
  };
}

// Depth, from the input on the left to the output on the right.
export function depthAxis(c, depths, width) {
  const [low, high] = [Math.min(...depths), Math.max(...depths)];
  return xAxis(c, { min: low - 0.7, max: high + 0.7, minInterval: 1, name: width < 560 ? "depth, input to output" : "depth in layers, from the input (left) to the output (right)", axisLabel: { color: c.soft, fontSize: 11, hideOverlap: true, formatter: (value) => (Number.isInteger(value) ? String(value) : "") } });
}

// A tooltip's words, as elements: a heading over names and values.
export function told(title, rows) {
  return h(
    "div",
    { class: "told" },
    h("strong", {}, title),
    rows.filter(Boolean).map(([name, value]) => h("div", {}, h("span", {}, name), h("b", {}, value))),
  );
}

// Lets go of the charts below an element: each holds its numbers.
export function disposeIn(root) {
  for (const each of [...alive]) if (root.contains(each.element)) each.dispose();
}

// Puts what was drawn anew in the place of the old, and leaves the reader as he was: the same parts open, the same
// control in hand, with what he has typed into it.
export function swap(holder, fresh) {
  const held = holder.contains(document.activeElement) ? document.activeElement : null;
  const open = [...holder.querySelectorAll("details")].map((each) => each.open);
  disposeIn(holder);
  holder.replaceChildren(fresh);
  [...fresh.querySelectorAll("details")].forEach((each, i) => {
    each.open = open[i] ?? each.open;
    each.dispatchEvent(new Event("toggle")); // now, not at the next turn: what opens is drawn then, and the page would jump
  });
  const twin = held && [...fresh.querySelectorAll(held.tagName)].find((each) => nameOf(each) === nameOf(held));
  if (!twin) return;
  if (twin.matches("input[type=search]") && held.value !== held.defaultValue) twin.value = held.value;
  twin.focus({ preventScroll: true });
}

function nameOf(element) {
  return element.getAttribute("aria-label") || element.title || element.parentElement.textContent;
}

export function redrawAll() {
  for (const each of alive) each.redraw();
}

onTheme(redrawAll);

function draw(made, legend) {
  const { spec, chart, width } = made;
  const c = colours();
  chart.setOption({ ...base(c), ...spec.option(c, width) }, { notMerge: true });
  chart.getZr().flush(); // paper does not wait for the next frame
  const says = typeof spec.says === "function" ? spec.says() : (spec.says ?? spec.definition);
  made.canvas.setAttribute("aria-label", `${spec.title}. ${says}`);
  const items = typeof spec.legend === "function" ? spec.legend() : (spec.legend ?? []);
  legend.replaceChildren();
  append(legend, items.map((item) => h("li", {}, item.element ?? h("span", { class: `key ${item.mark}`, style: { "--key": `var(--${item.colour})` } }), item.name)));
  legend.hidden = !items.length;
}

function resize(made) {
  const { canvas } = made;
  if (!canvas.clientWidth || canvas.clientWidth === made.width) return;
  made.width = canvas.clientWidth;
  made.chart.resize({ width: made.width, height: made.spec.height });
  made.redraw();
}

function likelyWidth() {
  return Math.max(280, (document.getElementById("main")?.clientWidth ?? 960) - 90);
}

function savers(spec) {
  const button = (name, what) => h("button", { type: "button", onclick: what, title: `Save “${spec.title}” as ${name}` }, name);
  return h(
    "div",
    { class: "savers" },
    button("PNG", () => savePng(spec)),
    button("SVG", () => saveSvg(spec)),
    button("CSV", () => saveCsv(spec)),
  );
}
