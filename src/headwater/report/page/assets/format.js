// How numbers are written, as everywhere in Headwater: two digits, and words for what is no number.

const WORDS = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

// A number of the data: null where there is none.
export function num(value) {
  return typeof value === "string" ? (WORDS[value] ?? null) : (value ?? null);
}

export function number(given, digits = 2) {
  const value = num(given);
  if (value === null) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const rounded = Number(value.toPrecision(digits));
  if (Math.abs(rounded) >= 1e-4 && Math.abs(rounded) < 1e5) return String(rounded).replace("-", "−");
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return `${mantissa.replace(/\.0+$/, "")}e${Number(exponent)}`.replace(/^-/, "−");
}

// A gain or a ratio: near one, two decimals tell more than two digits.
export function factor(given) {
  const value = num(given);
  return value !== null && value >= 0.1 && value < 10 ? value.toFixed(2) : number(value);
}

export function whole(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en-GB");
}

export function count(amount, what) {
  return `${whole(amount)} ${what}${amount === 1 ? "" : "s"}`;
}

export function percent(share) {
  const value = num(share);
  return value === null || !Number.isFinite(value) ? number(value) : `${Math.round(100 * value)} %`.replace("-", "−");
}

// A power of ten on an axis: 10⁻⁸.
export function power(decade) {
  if (Math.abs(decade) < 4 && Number.isInteger(decade)) return number(10 ** decade);
  return "10" + String(decade).split("").map((sign) => RAISED[sign]).join("");
}

export function shortened(name, width) {
  return name.length <= width ? name : "…" + name.slice(name.length - width + 1);
}
