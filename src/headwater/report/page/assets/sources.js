// Where the data comes from: embedded in the page, or asked of the server. Both answer the same questions:
// runs(), overview(id), history(id, query), series(id, query), follow(id, callback).

import { num } from "./format.js";

export function EmbeddedSource(data) {
  const at = (list, match) => list.find((each) => Object.entries(match).every(([key, value]) => each[key] === value)) ?? null;
  return {
    live: false,
    runs: async () => null,
    overview: async () => data.overview,
    history: async (id, { statistic, track = "" }) => at(data.history ?? [], { statistic, track }),
    series: async (id, { layer = "", track = "" }) =>
      at(data.series ?? [], { layer, track }) ?? rowsOf((data.history ?? []).filter((each) => each.track === track), layer),
    histories: async (track) => (data.history ?? []).filter((each) => each.track === track).map((each) => each.statistic),
    follow: () => () => {},
  };
}

export function ServerSource() {
  const ask = async (path, query = {}) => {
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
    const search = new URLSearchParams(given.map(([key, value]) => [key, Array.isArray(value) ? value.join(",") : String(value)]));
    const answer = await fetch(`/api/runs${path}${given.length ? "?" + search : ""}`, { headers: { Accept: "application/json" } });
    const body = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
    if (!answer.ok) throw new Error(body.error ?? `The server answered ${answer.status}.`);
    return body;
  };
  const of = (id) => `/${encodeURIComponent(id)}`;
  return {
    live: true,
    runs: () => ask(""),
    overview: (id) => ask(of(id)),
    history: (id, query) => ask(`${of(id)}/history`, query),
    series: (id, query) => ask(`${of(id)}/series`, query),
    follow: (id, callback) => {
      const stream = new EventSource(`/api/runs${of(id)}/stream`);
      stream.addEventListener("changed", (event) => callback(JSON.parse(event.data)));
      return () => stream.close();
    },
  };
}

// The curves of one layer, out of the histories of all. Each statistic has steps of its own.
function rowsOf(histories, layer) {
  const found = histories.filter((each) => each.layers.includes(layer));
  if (!found.length) return null;
  const steps = [...new Set(found.flatMap((each) => each.steps))].sort((a, b) => a - b);
  const series = {};
  for (const each of found) {
    const row = each.values[each.layers.indexOf(layer)];
    const known = new Map(each.steps.map((step, i) => [step, row[i]]));
    series[each.statistic] = { mean: steps.map((step) => known.get(step) ?? null) };
  }
  return { layer, first: steps[0], last: steps.at(-1), steps, series, flags: {} };
}

// The same between two steps.
export function between(series, first, last) {
  const kept = series.steps.map((step, i) => [step, i]).filter(([step]) => (first === null || step >= first) && (last === null || step <= last));
  const pick = (list) => kept.map(([, i]) => list[i]);
  const cut = Object.fromEntries(
    Object.entries(series.series).map(([name, each]) => [name, Object.fromEntries(Object.entries(each).map(([key, list]) => [key, pick(list)]))]),
  );
  return { ...series, steps: kept.map(([step]) => step), series: cut };
}

export function anyNumber(list) {
  return (list ?? []).some((value) => num(value) !== null);
}
