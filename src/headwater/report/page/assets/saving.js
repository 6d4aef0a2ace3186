// A figure as a file: always light and of one width, with its title, unit, legend and definition.

import { num } from "./format.js";
import { colours } from "./theme.js";

const WIDTH = 960;
const HEAD = 66;

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
  const option = spec.option(c, WIDTH);
  const dataZoom = option.dataZoom?.map((each) => ({ ...each, show: false }));
  const chart = globalThis.echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({ animation: false, textStyle: { fontFamily: "sans-serif", color: c.ink }, ...option, dataZoom, tooltip: { show: false } });
  const drawn = chart.renderToSVGString().replace("<svg ", `<svg y="${HEAD}" `).replaceAll("<image ", '<image preserveAspectRatio="none" ');
  chart.dispose();
  const items = typeof spec.legend === "function" ? spec.legend() : (spec.legend ?? []);
  const foot = lines(spec.definition, 150).map((line, i) => `<text x="16" y="${height + HEAD + 22 + 15 * i}" font-size="11" fill="${c.soft}">${escaped(line)}</text>`);
  const tall = height + HEAD + 20 + 15 * foot.length;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${WIDTH}" height="${tall}" ` +
    `viewBox="0 0 ${WIDTH} ${tall}" font-family="sans-serif">` +
    `<title>${escaped(spec.title)}</title><rect width="100%" height="100%" fill="#ffffff"/>` +
    `<text x="16" y="26" font-size="16" font-weight="600" fill="${c.ink}">${escaped(spec.title)}</text>` +
    `<text x="${WIDTH - 16}" y="26" font-size="12" text-anchor="end" fill="${c.soft}">${escaped(spec.unit)}</text>` +
    `${keys(items, c)}${drawn}${foot.join("")}</svg>`
  );
}

function keys(items, c) {
  let x = 16;
  return items
    .map((item) => {
      const [mark, wide] = item.ramp ? ramp(item.ramp, x) : [sign(item, item.fill ?? c[item.colour] ?? c.soft, x), 19];
      const text = `<text x="${x + wide}" y="50" font-size="12" fill="${c.soft}">${escaped(item.name)}</text>`;
      x += wide + 21 + 6.6 * item.name.length;
      return mark + text;
    })
    .join("");
}

function sign(item, colour, x) {
  if (item.mark !== "line" && item.mark !== "dashed") return `<rect x="${x}" y="41" width="10" height="10" rx="2" fill="${colour}"/>`;
  return `<line x1="${x}" x2="${x + 14}" y1="46" y2="46" stroke="${colour}" stroke-width="2"${item.mark === "dashed" ? ' stroke-dasharray="4 3"' : ""}/>`;
}

// A bar of all colours, with the numbers at its ends in its name.
function ramp(stops, x) {
  const shares = stops.map((colour, i) => `<stop offset="${i / (stops.length - 1)}" stop-color="${colour}"/>`).join("");
  return [`<defs><linearGradient id="ramp">${shares}</linearGradient></defs><rect x="${x}" y="41" width="120" height="10" fill="url(#ramp)"/>`, 128];
}

// Words in lines of at most so many letters.
function lines(text, most) {
  const found = [""];
  for (const word of text.split(" ")) {
    if (found.at(-1) && found.at(-1).length + word.length >= most) found.push("");
    found[found.length - 1] += (found.at(-1) ? " " : "") + word;
  }
  return found;
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
