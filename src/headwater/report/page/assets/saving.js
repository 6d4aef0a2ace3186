// A figure as a file: always light and of one width, with its title, unit, legend and definition.

import { num } from "./format.js";
import { colours } from "./theme.js";

const WIDTH = 960;
const HEAD = 66;
const FOOT = 40;

export function saveSvg(spec) {
  download(new Blob([svgOf(spec)], { type: "image/svg+xml" }), `${spec.id}.svg`);
}

export function savePng(spec) {
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = document.createElement("canvas");
    canvas.width = 2 * image.width;
    canvas.height = 2 * image.height;
    const context = canvas.getContext("2d");
    context.scale(2, 2);
    context.drawImage(image, 0, 0);
    canvas.toBlob((blob) => download(blob, `${spec.id}.png`), "image/png");
  });
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svgOf(spec));
}

export function saveCsv(spec) {
  download(new Blob([csvOf(spec)], { type: "text/csv" }), `${spec.id}.csv`);
}

export function csvOf(spec) {
  return spec.csv().map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

export function svgOf(spec) {
  const c = colours(true);
  const height = spec.height;
  const chart = globalThis.echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: "sans-serif", color: c.ink }, ...spec.option(c, WIDTH), tooltip: { show: false } });
  const drawn = chart.renderToSVGString().replace("<svg ", `<svg y="${HEAD}" `);
  chart.dispose();
  const items = typeof spec.legend === "function" ? spec.legend() : (spec.legend ?? []);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${WIDTH}" height="${height + HEAD + FOOT}" ` +
    `viewBox="0 0 ${WIDTH} ${height + HEAD + FOOT}" font-family="sans-serif">` +
    `<title>${escaped(spec.title)}</title><rect width="100%" height="100%" fill="#ffffff"/>` +
    `<text x="16" y="26" font-size="16" font-weight="600" fill="${c.ink}">${escaped(spec.title)}</text>` +
    `<text x="${WIDTH - 16}" y="26" font-size="12" text-anchor="end" fill="${c.soft}">${escaped(spec.unit)}</text>` +
    keys(items, c) + drawn +
    `<text x="16" y="${height + HEAD + 22}" font-size="11" fill="${c.soft}">${escaped(clipped(spec.definition, 165))}</text></svg>`
  );
}

function keys(items, c) {
  let x = 16;
  return items
    .map((item) => {
      const colour = c[item.colour] ?? c.soft;
      const mark = item.mark === "line" || item.mark === "dashed"
        ? `<line x1="${x}" x2="${x + 14}" y1="46" y2="46" stroke="${colour}" stroke-width="2"${item.mark === "dashed" ? ' stroke-dasharray="4 3"' : ""}/>`
        : `<rect x="${x}" y="41" width="10" height="10" rx="2" fill="${colour}"/>`;
      const text = `<text x="${x + 19}" y="50" font-size="12" fill="${c.soft}">${escaped(item.name)}</text>`;
      x += 40 + 6.6 * item.name.length;
      return mark + text;
    })
    .join("");
}

function clipped(text, most) {
  return text.length <= most ? text : text.slice(0, most - 1) + "…";
}

function escaped(text) {
  const signs = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text).replace(/[&<>"]/g, (sign) => signs[sign]);
}

// A cell that a spreadsheet takes for what it is: a name that begins like a formula stays text.
function cell(given) {
  if (given === null || given === undefined) return "";
  if (typeof given === "number") return String(given);
  const value = ["nan", "inf", "-inf"].includes(given) ? String(num(given)) : String(given);
  const safe = /^[=+\-@\t]/.test(value) && !/^-?(Infinity|\d)/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `headwater-${name}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
