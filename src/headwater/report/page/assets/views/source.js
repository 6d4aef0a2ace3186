// The user's own file with a bar beside each line: how much of the gradient that line costs.

import { h } from "../dom.js";
import { factor, num, percent, power } from "../format.js";

const CONTEXT = 4;
const PARTS = { activation: "activation", weights: "weights", normalisation: "normalisation", other: "other" };

export const sourceView = { id: "source", title: "Source", shown: ({ report }) => Boolean(report?.source.files.length), draw };

function draw(main, { report, overview }) {
  const { files } = report.source;
  const most = mostOf(files);
  main.append(
    h(
      "section",
      { class: "panel", id: "source-lines" },
      h("h2", {}, "What each line costs"),
      h("p", { class: "note" }, "A bar is the logarithm of what the operations on that line leave of the gradient, over all layers that they stand for; beside it its share of the whole. Colours tell the part of the gain. Pale bars work against the rest; those of layers in branches, around which the gradient has a way, are pale as well."),
      legend(files),
    ),
  );
  for (const file of files) main.append(fileSection(file, most, overview));
}

function fileSection(file, most, overview) {
  const list = h("ol", {});
  const section = h("section", { class: "panel" }, h("h2", { class: "mono" }, file.name), file.text ? null : h("p", { class: "note" }, missing(overview)), h("div", { class: "code", tabindex: "0", role: "region", "aria-label": `Source of ${file.name}` }, list));
  fill(list, file, most, new Set());
  return section;
}

function missing(overview) {
  return overview.run ? "The text of this file was not recorded with the run; its lines are numbered only." : "The text of this file is not at hand; its lines are numbered only.";
}

// Lines with something to say and some around them; what lies between opens on demand.
function fill(list, file, most, opened) {
  const known = new Map(file.lines.map((line) => [line.line, line]));
  const amount = file.text?.length ?? 0;
  const near = (at) => file.lines.some((line) => Math.abs(line.line - at) <= CONTEXT);
  const numbers = file.text ? Array.from({ length: amount }, (_, i) => i + 1) : file.lines.map((line) => line.line);
  const items = [];
  for (let i = 0; i < numbers.length; ) {
    const at = numbers[i];
    let end = i;
    while (file.text && end < numbers.length && !near(numbers[end]) && !opened.has(at)) end++;
    if (end - i > 3) {
      items.push(gap(list, file, most, opened, at, end - i));
      i = end;
    } else {
      items.push(lineItem(file, at, known.get(at), most));
      i++;
      if (opened.has(at)) for (; i < numbers.length && !near(numbers[i]); i++) items.push(lineItem(file, numbers[i], known.get(numbers[i]), most));
    }
  }
  list.replaceChildren(...items);
}

function gap(list, file, most, opened, at, amount) {
  const open = () => {
    opened.add(at);
    fill(list, file, most, opened);
  };
  return h("li", { class: "gap" }, h("button", { type: "button", onclick: open }, `⋯ ${amount} lines`));
}

function lineItem(file, at, line, most) {
  const costs = line?.costs ?? [];
  const main = costs[0];
  const total = costs.reduce((sum, cost) => sum + (cost.branch ? 0 : (num(cost.share) ?? 0)), 0);
  const parts = costs.map((cost) => `${cost.what}${cost.amount > 1 ? ` × ${cost.amount}: ${factor(cost.factor)} each, ${left(cost)}` : `: ${left(cost)}`}`);
  if (!costs.length && line?.runs) parts.push(`runs ${line.runs} ${line.runs === 1 ? "layer" : "layers"}`);
  return h(
    "li",
    { class: main ? "costly" : "", style: main ? { "--key": `var(--${PARTS[main.part] ?? "other"})` } : {} },
    h("span", { class: "cost", "aria-hidden": "true" }, bars(costs, most)),
    h("span", { class: "share" }, main ? (main.branch ? "branch" : percent(total)) : line?.runs ? "runs" : ""),
    h("span", { class: "at" }, String(at)),
    h("span", { class: "text" }, file.text?.[at - 1] ?? "", parts.length ? h("em", { class: "why" }, `  ${parts.join("; ")}`) : null),
  );
}

function left(cost) {
  const decades = num(cost.decades);
  return Number.isFinite(decades) ? (Math.abs(decades) < 4 ? factor(10 ** decades) : power(Math.round(decades))) + (cost.amount > 1 ? " in all" : "") : "nothing passes";
}

// Side by side from the right, one for each kind of operation.
function bars(costs, most) {
  let at = 0;
  return costs.map((cost) => {
    const width = Math.min(1, lengthOf(cost) / most) * (100 - at);
    const bar = h("i", { class: [num(cost.share) < 0 ? "against" : "", cost.branch ? "branch" : ""].join(" "), style: { "--key": `var(--${PARTS[cost.part] ?? "other"})`, width: `${width}%`, right: `${at}%` } });
    at += width;
    return bar;
  });
}

function lengthOf(cost) {
  const decades = num(cost.decades);
  return Number.isFinite(decades) ? Math.abs(decades) : Infinity;
}

function mostOf(files) {
  const lines = files.flatMap((file) => file.lines.map((line) => line.costs.map(lengthOf).filter(Number.isFinite).reduce((a, b) => a + b, 0)));
  return Math.max(1e-9, ...lines);
}

function legend(files) {
  const used = new Set(files.flatMap((file) => file.lines.flatMap((line) => line.costs.map((cost) => cost.part))));
  return h("ul", { class: "legend" }, Object.keys(PARTS).filter((part) => used.has(part)).map((part) => h("li", {}, h("span", { class: "key", style: { "--key": `var(--${part})` } }), part)));
}


// The line that costs most, for the verdict.
export function worstLine(report) {
  let worst = null;
  for (const file of report.source.files) {
    for (const line of file.lines) {
      for (const cost of line.costs) {
        if (cost.branch && worst) continue;
        if (!worst || lengthOf(cost) > lengthOf(worst.cost)) worst = { file, line: line.line, cost };
      }
    }
  }
  return worst;
}

// The line that a finding names: [file, line].
export function lineAt(report, at) {
  if (!at) return null;
  const file = report.source.files.find((each) => each.name === at[0]) ?? { name: at[0], lines: [], text: null };
  return { file, line: at[1], cost: null };
}

export function snippet({ file, line }) {
  const most = mostOf([file]);
  const known = new Map(file.lines.map((each) => [each.line, each]));
  const shown = [line - 2, line - 1, line, line + 1, line + 2].filter((at) => at >= 1 && at <= file.text.length);
  const indents = shown.map((at) => file.text[at - 1]).filter((text) => text.trim()).map((text) => text.match(/^\s*/)[0].length);
  const flush = { ...file, text: file.text.map((text) => text.slice(Math.min(...indents))) };
  return h("div", { class: "code" }, h("ol", {}, shown.map((at) => short(lineItem(flush, at, known.get(at), most)))));
}

function short(item) {
  item.querySelector(".why")?.remove();
  return item;
}
