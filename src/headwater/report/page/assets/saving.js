// A figure as a file: always light and of one width, with its title, unit, legend and definition.

import { num } from "./format.js";
import { colours } from "./theme.js";

const WIDTH = 960;
const HEAD = 46;
const ROW = 20;

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
  const title = lines(spec.title, 80);
  const [marks, rows] = keys(typeof spec.legend === "function" ? spec.legend() : (spec.legend ?? []), c, HEAD + ROW * (title.length - 1));
  const head = HEAD + ROW * (title.length - 1 + rows);
  const drawn = chart.renderToSVGString().replace("<svg ", `<svg y="${head}" `).replaceAll("<image ", '<image preserveAspectRatio="none" ');
  chart.dispose();
  const foot = lines(spec.definition, 150).map((line, i) => `<text x="16" y="${height + head + 22 + 15 * i}" font-size="11" fill="${c.soft}">${escaped(line)}</text>`);
  const tall = height + head + 20 + 15 * foot.length;
  return valid(
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${WIDTH}" height="${tall}" ` +
    `viewBox="0 0 ${WIDTH} ${tall}" font-family="sans-serif">` +
    `<title>${escaped(spec.title)}</title><rect width="100%" height="100%" fill="#ffffff"/>` +
    title.map((line, i) => `<text x="16" y="${26 + ROW * i}" font-size="16" font-weight="600" fill="${c.ink}">${escaped(line)}</text>`).join("") +
    `<text x="${WIDTH - 16}" y="${title.length > 1 || wide(spec.title, 16) + wide(spec.unit, 12) > WIDTH - 60 ? 11 : 26}" font-size="12" text-anchor="end" fill="${c.soft}">${escaped(spec.unit)}</text>` +
    `${marks}${drawn}${foot.join("")}</svg>`,
  );
}

// What the marks mean, in as many rows as it takes; and how many these are.
function keys(items, c, top) {
  let [x, row] = [16, 0];
  const drawn = items.map((item) => {
    const name = item.name.length > 90 ? `${item.name.slice(0, 89)}…` : item.name;
    const length = (item.ramp ? 128 : 19) + wide(name, 12);
    if (x > 16 && x + length > WIDTH - 16) [x, row] = [16, row + 1];
    const y = top + ROW * row;
    const [mark, before] = item.ramp ? ramp(item.ramp, x, y - 5) : [sign(item, item.fill ?? c[item.colour] ?? c.soft, x, y), 19];
    const text = `<text x="${x + before}" y="${y + 4}" font-size="12" fill="${c.soft}">${escaped(name)}</text>`;
    x += length + 21;
    return mark + text;
  });
  return [drawn.join(""), items.length ? row + 1 : 0];
}

// About how wide words are, in pixels.
function wide(words, size) {
  return 0.55 * size * words.length;
}

function sign(item, colour, x, y) {
  if (item.mark !== "line" && item.mark !== "dashed") return `<rect x="${x}" y="${y - 5}" width="10" height="10" rx="2" fill="${colour}"/>`;
  return `<line x1="${x}" x2="${x + 14}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2"${item.mark === "dashed" ? ' stroke-dasharray="4 3"' : ""}/>`;
}

// A bar of all colours, with the numbers at its ends in its name.
function ramp(stops, x, y) {
  const shares = stops.map((colour, i) => `<stop offset="${i / (stops.length - 1)}" stop-color="${colour}"/>`).join("");
  return [`<defs><linearGradient id="ramp">${shares}</linearGradient></defs><rect x="${x}" y="${y}" width="120" height="10" fill="url(#ramp)"/>`, 128];
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

// Without what no XML may hold: a name with such a letter must not spoil the file.
function valid(xml) {
  return xml.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd").toWellFormed();
}

function escaped(text) {
  const signs = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text).replace(/[&<>"]/g, (sign) => signs[sign]);
}

// A cell that a spreadsheet takes for what it is: words that begin like a formula stay words, also one such as -1+1.
function cell(given) {
  if (given === null || given === undefined) return "";
  const number = num(given);
  if (typeof number === "number") return String(number);
  const safe = /^[=+\-@\t\r\n]/.test(given) ? `'${given}` : String(given);
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `headwater-${name}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
