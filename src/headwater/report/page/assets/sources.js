// Where the data comes from: embedded in the page, or asked of the server. Both answer the same questions:
// runs(query), overview(id), history(id, query), series(id, query), follow(id, mark, changed, reached).

const HEARTBEAT = 30_000; // milliseconds; a browser may stretch it to a minute in a window that nobody sees

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
  // A server beside a training ends when no page is open: one that nobody sees just now says that it is there.
  setInterval(() => document.hidden && fetch("/", { method: "HEAD" }).catch(() => null), HEARTBEAT);
  return {
    live: true,
    runs: (query = {}) => ask("", query),
    overview: (id) => ask(of(id)),
    history: (id, query) => ask(`${of(id)}/history`, query),
    series: (id, query) => ask(`${of(id)}/series`, query),
    follow: (id, mark, changed, reached) => following(`/api/runs${of(id)}/stream?since=${encodeURIComponent(mark ?? "")}`, changed, reached),
  };
}

// A browser opens six connections to a server: a window that nobody sees must not keep one for its stream.
function following(address, changed, reached) {
  let stream = null;
  const close = () => {
    stream?.close();
    stream = null;
  };
  const turn = () => {
    if (document.hidden) close();
    if (document.hidden || stream) return;
    stream = new EventSource(address);
    stream.addEventListener("open", () => reached(true));
    stream.addEventListener("error", () => reached(false));
    stream.addEventListener("changed", (event) => {
      const change = JSON.parse(event.data);
      if (change.status === "deleted") end();
      changed(change);
    });
  };
  const end = () => {
    document.removeEventListener("visibilitychange", turn);
    close();
  };
  document.addEventListener("visibilitychange", turn);
  turn();
  return end;
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
