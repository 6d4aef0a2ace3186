// What is wrong, where, since when, and what mends it: on one screen, led by one picture.

import { h, pairs } from "../dom.js";
import { accountTable, findingsSection } from "../findings.js";
import { count, factor, num, number, percent, whole } from "../format.js";
import { heroFigure } from "./hero.js";
import { lineAt, snippet, worstLine } from "./source.js";

const SIGNS = { good: "✓", risk: "!", bad: "✗" };

export const verdictView = { id: "verdict", title: "Verdict", shown: () => true, draw };

function draw(main, state) {
  const { report, overview } = state;
  const said = report?.verdict ?? overview.fix?.outcome ?? unjudged(overview);
  if (overview.reports.length > 1) main.append(others(state));
  main.append(banner(said));
  const notes = overview.notes ?? [];
  if (notes.length) main.append(h("ul", { class: "notes" }, notes.map((note) => h("li", {}, note))));
  heroFigure(main, state, leadingOf(state));
  main.append(h("div", { class: "answers" }, answers(state)));
  main.append(pairs(report?.facts ?? overview.fix?.facts ?? [], "facts"));
  main.append(findingsSection(report?.findings ?? overview.fix_findings));
}

function unjudged({ run, status }) {
  const isOver = run && (status ?? run.status) !== "running";
  return { tone: "risk", headline: isOver ? "Nothing was judged" : "Nothing was measured yet", message: isOver ? "The training ended before a step of it was itemised and judged." : "The first verdict comes as soon as a step was probed and judged." };
}

// The other reports, each with its verdict.
function others({ overview, index, query }) {
  const address = (i) => new URLSearchParams({ ...Object.fromEntries(query), o: i });
  return h("nav", { class: "others", "aria-label": "Reports" }, overview.reports.map((each, i) => h("a", { href: `#${address(i)}`, class: each.verdict.tone, "aria-current": i === index ? "true" : null, title: each.verdict.headline }, h("i", { "aria-hidden": "true" }, SIGNS[each.verdict.tone]), each.title)));
}

function banner(said) {
  return h(
    "section",
    { class: `verdict ${said.tone}` },
    h("span", { class: "sign", "aria-hidden": "true" }, SIGNS[said.tone]),
    h("div", {}, h("h1", {}, said.headline), said.message && h("p", { class: "message" }, said.message)),
  );
}

function answers(state) {
  const leading = leadingOf(state);
  const stacks = [
    [leading && where(state, leading), leading && why(leading)],
    [state.report && leading && since(state, leading), fix(state, leading)],
  ];
  return stacks.map((cards) => cards.filter(Boolean)).filter((cards) => cards.length).map((cards) => h("div", { class: "stack" }, cards));
}

function leadingOf({ report, overview }) {
  const code = report?.verdict.leading;
  return (report?.findings ?? overview.fix_findings).find((each) => each.code === code || !report) ?? null;
}

function answer(title, ...children) {
  return h("section", { class: "answer" }, h("h2", {}, title), children);
}

// The line that costs most where the account of a gradient is the point; else the line that the finding names.
function where({ report }, leading) {
  const at = report && (leading.account ? worstLine(report) : lineAt(report, leading.at));
  if (!at) return null;
  return answer("On this line", h("p", { class: "big mono" }, `${at.file.name}:${at.line}`), at.file.text && h("div", { class: "snippet" }, snippet(at)), leading.account && at.cost && h("p", { class: "quiet" }, costs(at.cost)));
}

function costs(cost) {
  if (num(cost.decades) === -Infinity) return `${cost.what} stops the gradient.`;
  const each = cost.amount > 1 ? `in each of ${count(cost.amount, "layer")}` : "";
  return `${percent(cost.share)} of what is ${num(cost.decades) < 0 ? "lost" : "gained"}: ${cost.what} leaves ${factor(cost.factor)} ${each}.`.replace(" .", ".");
}

function why(leading) {
  if (!leading.account) return answer("Why", h("p", {}, leading.cause));
  const { account } = leading;
  return answer("Why", accountTable(account), account.depth && h("p", { class: "quiet" }, account.depth));
}

// Since it rose last: a finding may have healed and come back.
function since({ report, overview, track }, leading) {
  const events = overview.events.filter((each) => each.code === leading.code && each.track === track);
  const raised = events.filter((each) => each.event === "raised");
  const last = raised.at(-1);
  if (last) {
    const healed = events.findLast((each) => each.event === "healed" && each.step > last.step);
    const steps = Math.max(overview.run?.steps ?? 0, (overview.last_step ?? 0) + 1, last.step + 1);
    const later = healed ? `It healed at step ${whole(healed.step)}.` : `It stands after ${count(steps, "step")}.`;
    const before = raised.length > 1 ? ` It rose ${count(raised.length, "time")}, first at step ${whole(raised[0].step)}.` : "";
    return answer("Since", h("p", { class: "big" }, `step ${whole(last.step)}`), h("p", { class: "quiet" }, `${leading.code} was raised there. ${later}${before}`));
  }
  const at = report.facts.find(([name]) => name === "measured at")?.[1] ?? "the first steps";
  if (!report.watched) return answer("Since", h("p", { class: "big" }, "the start"), h("p", { class: "quiet" }, "Measured in the first steps, on a copy of the network."), h("p", { class: "quiet" }, "When it rises in a training: ", h("code", {}, "headwater run train.py")));
  if (!overview.run) return answer("Since", h("p", { class: "big" }, "not known"), h("p", { class: "quiet" }, `Measured at ${at}. When it rose stands in the report of a recorded run.`));
  return answer("Since", h("p", { class: "big" }, "just now"), h("p", { class: "quiet" }, `Measured at ${at}. A finding is raised when two verdicts in a row agree.`));
}

function fix({ fix: found }, leading) {
  if (found?.remedies.length) {
    const change = gained(found);
    return answer("The fix", h("p", { class: "big" }, found.remedies.join(" + ")), h("p", {}, found.outcome.message), change && h("p", { class: "quiet" }, change), changed(found));
  }
  if (found && found.outcome.tone === "risk") return answer("The fix", h("p", { class: "big" }, "none found"), h("p", {}, found.outcome.message));
  if (!leading?.remedies.length) return null;
  return answer("What to try, best first", h("ol", {}, leading.remedies.slice(0, 4).map(([code, says]) => h("li", {}, says, " ", h("code", { class: "quiet" }, code)))), h("p", { class: "quiet" }, "Each tried on your own data, with evidence: ", h("code", {}, "headwater fix train.py")));
}

// The first lines that it changes; all of them stand under Remedies.
function changed(found) {
  const lines = found.diff.filter(([kind]) => kind === "added" || kind === "removed");
  if (!lines.length) return null;
  const [rest, first] = [lines.length - 4, lines.slice(0, 4)];
  const flush = Math.min(...first.map(([, line]) => line.slice(1).match(/^\s*/)[0].length));
  return [h("pre", { class: "diff" }, first.map(([kind, line]) => h("span", { class: kind }, `${line[0]} ${line.slice(1 + flush)}\n`))), rest > 0 ? h("p", { class: "quiet" }, `and ${count(rest, "line")} more`) : null];
}

function gained(found) {
  const [before, after] = ["original", "recommended"].map((kind) => num(found.profiles[kind]?.points[0]?.[1]));
  return before === null || after === null ? "" : `At the first layer arrives ${number(after)} of the last layer's gradient, before ${number(before)}.`;
}
