// Findings as cards, and the account of a gradient as a table with bars.

import { h, pairs } from "./dom.js";
import { factor, num, percent } from "./format.js";

const PARTS = ["activation", "weights", "normalisation", "other"];

export function findingsSection(findings) {
  return h(
    "section",
    { class: "findings" },
    h("h2", {}, "Findings"),
    findings.length ? findings.map(card) : h("p", { class: "quiet" }, "None."),
  );
}

export function accountTable(account) {
  const logs = account.rows.flatMap((row) => [row.measured, row.predicted]).map(size).filter(Number.isFinite);
  const most = Math.max(...logs, 1e-9);
  return h(
    "table",
    { class: "account" },
    h("thead", {}, h("tr", {}, h("td", {}), h("td", {}), h("th", { scope: "col" }, "measured"), account.theory && h("th", { scope: "col" }, "theory"), h("th", { scope: "col" }, "share"))),
    h("tbody", {}, account.rows.map((row) => accountRow(row, most, account.theory))),
  );
}

function accountRow(row, most, theory) {
  const part = PARTS.includes(row.name);
  const width = (value) => `${Math.min(100, (100 * size(value)) / most)}%`;
  const bars = [h("i", { class: num(row.share) < 0 ? "against" : "", style: { "--key": `var(--${part ? row.name : "ink"})`, width: width(row.measured) } })];
  if (row.predicted !== null) bars.push(h("i", { style: { width: width(row.predicted) } }));
  const said = [row.what, row.place].filter(Boolean).join(", ");
  return h(
    "tr",
    { class: part ? "" : "sum" },
    h("th", { scope: "row" }, row.name, said && h("small", {}, said)),
    h("td", { class: "bars", "aria-hidden": "true" }, bars),
    h("td", {}, factor(row.measured)),
    theory && h("td", {}, factor(row.predicted)),
    h("td", {}, row.share === null ? "" : percent(row.share)),
  );
}

// Lengths are logarithms, so that the bars of the parts add up to that of the layer.
function size(given) {
  const value = num(given);
  return value !== null && value > 0 && Number.isFinite(value) ? Math.abs(Math.log(value)) : value === null ? 0 : Infinity;
}

function card(finding) {
  return h(
    "article",
    { class: `finding ${finding.severity}` },
    head(finding, "h3"),
    h("p", { class: "message" }, finding.message),
    h("p", { class: "cause" }, finding.cause),
    finding.account && [
      h("h4", {}, finding.account.layers > 1 ? "What a layer does to it" : "What the layer does to it"),
      accountTable(finding.account),
      finding.account.depth && h("p", { class: "note" }, finding.account.depth),
    ],
    finding.evidence.length ? pairs(finding.evidence, "evidence") : null,
    finding.remedies.length ? [h("h4", {}, "What to do, best first"), h("ol", { class: "advice" }, finding.remedies.map(([code, says]) => h("li", {}, says, " ", h("code", {}, code))))] : null,
    finding.under.length
      ? [h("h4", {}, "It explains"), h("ul", { class: "under" }, finding.under.map((each) => h("li", { class: each.severity }, head(each, "h4"), h("p", {}, each.message))))]
      : null,
    h("p", { class: "note" }, h("code", {}, `headwater explain ${finding.code}`), " shows the page behind it."),
  );
}

function head(finding, tag) {
  const places = finding.places.map(([before, place]) => [before, " ", h("code", {}, place), ", "]).flat();
  const where = finding.module ? [...places, "in ", h("code", {}, finding.module)] : places.slice(0, -1);
  return [
    h(tag, {}, h("span", { class: "severity" }, finding.severity), ` ${finding.code} ${finding.name}`),
    where.length ? h("p", { class: "where" }, where) : null,
  ];
}
