// Colours, which stand in the style sheet only, and the choice between light and dark.

const NAMES = [
  "paper", "card", "ink", "soft", "line", "faint", "water", "deep", "dry", "bad", "risk", "good", "note",
  "activation", "weights", "normalisation", "other", "branch", "after",
];
const listeners = new Set();

export function colours(light = false) {
  const probe = document.createElement("div");
  if (light) probe.className = "light";
  probe.hidden = true;
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const found = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  probe.remove();
  return found;
}

export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function toggleTheme() {
  const chosen = isDark() ? "light" : "dark";
  remember(chosen);
  choose(chosen);
}

export function startTheme() {
  const chosen = remembered();
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  let before = null; // paper is light
  addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme ?? null;
    choose("light");
  });
  addEventListener("afterprint", () => choose(before));
}

function choose(theme) {
  if (theme === null) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  tell();
}

function tell() {
  for (const listener of listeners) listener();
}

// A page in a frame of its own, as in a notebook, may not remember anything.
function remember(chosen) {
  try {
    localStorage.setItem("headwater-theme", chosen);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

function remembered() {
  try {
    return localStorage.getItem("headwater-theme");
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return null;
  }
}
