// Elements. Words only ever become text nodes: nothing here parses markup.

export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) element.style.setProperty(key, each);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

export function pairs(items, className) {
  return h("dl", { class: className }, items.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

export function later(milliseconds, what) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => what(...given), milliseconds);
  };
}

// For news that may come faster than they can be shown: at once, then at most so often, one after the other, and the
// last always, also when one of them failed. What several of them say is joined; waiting for a pause (later) would wait for ever.
export function every(milliseconds, what) {
  let [news, busy, last] = [null, false, -Infinity];
  const tell = async () => {
    const told = news;
    [news, last] = [null, performance.now()];
    try {
      await what(told);
    } finally {
      busy = news !== null;
      if (busy) setTimeout(tell, Math.max(0, last + milliseconds - performance.now()));
    }
  };
  return (change) => {
    const before = news ?? {};
    news = { ...change, rows: before.rows || change.rows, report: before.report || change.report, events: before.events || change.events };
    if (busy) return;
    busy = true;
    setTimeout(tell, Math.max(0, last + milliseconds - performance.now()));
  };
}
