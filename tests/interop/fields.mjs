// SPDX-License-Identifier: BSD-2-Clause
// Structured fields (RFC 9651): libdive, structured-headers and structured-field-values read the same
// texts, well-formed ones and ones with a few octets changed. Who takes what, to which value, and
// how it is written again, has to be the same, but for what KNOWN says.
import * as sh from "structured-headers";
import * as sfv from "structured-field-values";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const thousandths = (n) => Math.round(n * 1000) + 0; // + 0: no -0
const byKind = { item: "Item", list: "List", dictionary: "Dictionary" };

// structured-headers

function shBare(v) {
  if (typeof v === "number") return ["number", thousandths(v)];
  if (typeof v === "string") return ["string", v];
  if (typeof v === "boolean") return ["boolean", v];
  if (v instanceof sh.Token) return ["token", v.toString()];
  if (v instanceof sh.DisplayString) return ["display", hex(Buffer.from(v.toString()))];
  if (v instanceof Date) return ["date", v.getTime() / 1000 + 0];
  return ["bytes", hex(v)];
}

const shParams = (params) => [...params].map(([k, v]) => [k, shBare(v)]);
const shItem = ([bare, params]) => [shBare(bare), shParams(params)];

function shMember(key, [value, params]) {
  return [key, Array.isArray(value) ? ["list", value.map(shItem)] : shBare(value), shParams(params)];
}

export const structuredHeaders = {
  name: "structured-headers",
  parse: (kind, text) => sh[`parse${byKind[kind]}`](text),
  serialize: (kind, value) => sh[`serialize${byKind[kind]}`](value),
  members(kind, value) {
    if (kind === "item") return [shMember("", value)];
    return kind === "list" ? value.map((m) => shMember("", m)) : [...value].map(([k, m]) => shMember(k, m));
  },
};

// structured-field-values

function sfvBare(v) {
  if (typeof v === "symbol") return ["token", Symbol.keyFor(v) ?? v.description];
  if (v instanceof Uint8Array) return ["bytes", hex(v)];
  return shBare(v);
}

const sfvParams = (params) => Object.entries(params ?? {}).map(([k, v]) => [k, sfvBare(v)]);

function sfvMember(key, { value, params }) {
  const inner = Array.isArray(value);
  return [key, inner ? ["list", value.map((i) => [sfvBare(i.value), sfvParams(i.params)])] : sfvBare(value), sfvParams(params)];
}

const short = { item: "Item", list: "List", dictionary: "Dict" };

export const structuredFieldValues = {
  name: "structured-field-values",
  parse: (kind, text) => sfv[`decode${short[kind]}`](text),
  serialize: (kind, value) => sfv[`encode${short[kind]}`](value),
  members(kind, value) {
    if (kind === "item") return [sfvMember("", value)];
    if (kind === "list") return value.map((m) => sfvMember("", m));
    return (value instanceof Map ? [...value] : Object.entries(value)).map(([k, m]) => sfvMember(k, m));
  },
};

// Where they are known to do otherwise. `when` is as narrow as it can be: anything else is a failure.
// Each was held against the section that is named (of RFC 9651); libdive is right in all of them.
const withoutPointZero = (text) => text.replace(/(\d)\.0(?=[;, )]|$)/g, "$1");
const withoutDisplay = (text) => text.replace(/"(?:[^"\\]|\\.)*"|%"[^"]*"/g, (m) => (m[0] === "%" ? '"x"' : m));
const hasLateDate = (members) => [...JSON.stringify(members).matchAll(/\["date",-?(\d+)\]/g)].some(([, n]) => n > 8.64e12);

export const KNOWN = [
  {
    implementation: "structured-headers", what: "refuses what libdive takes", section: "4.2.9",
    why: "a Date is only read at the very end of a field: parseDate() refuses any octet after the digits",
    when: (c) => c.theirs.error.includes("Expected a digit (0-9), whitespace or EOL") && /@-?\d+[^\d]/.test(c.text),
  },
  {
    implementation: "structured-field-values", what: "refuses what libdive takes", section: "4.2.10",
    why: "no Display Strings (it implements RFC 8941)",
    // With a String in the place of each, it takes the text.
    when: (c) => c.text.includes('%"') && !read(structuredFieldValues, c.kind, withoutDisplay(c.text)).error,
  },
  {
    implementation: "structured-field-values", what: "takes what libdive refuses", section: "4.2, steps 2 and 6",
    why: "tabs pass where only spaces may (and both within byte sequences, 4.2.7)",
    when: (c) => c.text.includes("\t") || /:[A-Za-z0-9+/=]* [A-Za-z0-9+/= ]*:/.test(c.text),
  },
  {
    implementation: null, what: "reads another value", section: "3.3.7",
    why: "a Date beyond the 8.64e15 ms that JavaScript's Date can hold",
    when: (c) => hasLateDate(c.ours.members),
  },
  {
    implementation: null, what: "writes another text", section: "4.1.5",
    why: "JavaScript has one type for numbers: the Decimal 1.0 is written as the Integer 1",
    when: (c) => c.theirs.text !== null && withoutPointZero(c.ours.text) === withoutPointZero(c.theirs.text),
  },
];

export const known = (implementation, c) =>
  KNOWN.find((k) => (k.implementation ?? implementation) === implementation && k.what === c.what && k.when(c));

// Texts

const LOWER = "abcdefghijklmnopqrstuvwxyz", DIGITS = "0123456789";
const TOKEN = `${LOWER}${LOWER.toUpperCase()}${DIGITS}!#$%&'*+-.^_\`|~:/`;

function bare(r) {
  switch (r.below(9)) {
    case 0: return (r.once(3) ? "-" : "") + r.text(DIGITS, 1, r.once(4) ? 16 : 4);
    case 1: return `${r.once(3) ? "-" : ""}${r.text(DIGITS, 1, r.once(4) ? 13 : 4)}.${r.text(DIGITS, 1, r.once(4) ? 4 : 3)}`;
    case 2: return `"${r.text(`${LOWER} 0;,=()'@%:`, 0, 8)}${r.once(3) ? r.pick(['\\"', "\\\\"]) : ""}"`;
    case 3: return r.pick("abzAZ*") + r.text(TOKEN, 0, 6);
    case 4: return `:${r.bytes(r.below(40)).toString("base64")}:`;
    case 5: return r.pick(["?0", "?1"]);
    case 6: return `@${r.once(4) ? "-" : ""}${r.text(DIGITS, 1, r.once(6) ? 16 : 10)}`;
    case 7: return `%"${r.pick(["", "a b", "f%c3%bc", "%e2%82%ac", "%25%22", "%f0%9f%92%a9"])}"`;
    default: return r.text(DIGITS, 1, 3);
  }
}

const key = (r) => (r.once(4) ? r.pick(["sig1", "a", "b", "c"]) : r.pick("abcz*") + r.text(`${LOWER}${DIGITS}_-.*`, 0, 5));
const params = (r) => Array.from({ length: r.once(2) ? r.below(4) : 0 }, () =>
  `;${" ".repeat(r.once(4) ? r.below(3) : 0)}${key(r)}${r.once(3) ? "" : `=${bare(r)}`}`).join("");

function innerList(r) {
  const items = Array.from({ length: r.below(5) }, () => bare(r) + params(r));
  const pad = () => " ".repeat(r.once(3) ? r.below(3) : 0);
  return `(${pad()}${items.join(" ".repeat(1 + (r.once(4) ? r.below(3) : 0)))}${pad()})`;
}

const member = (r) => (r.once(3) ? innerList(r) : bare(r)) + params(r);
const ows = (r) => r.text(" \t", 0, r.once(3) ? 3 : 1);

export function wellFormed(r, kind) {
  if (kind === "item") return bare(r) + params(r);
  const n = r.below(6);
  const one = () => (kind === "list" ? member(r) : r.once(5) ? key(r) + params(r) : `${key(r)}=${member(r)}`);
  let out = "";
  for (let i = 0; i < n; i++) out += (i ? `${ows(r)},${ows(r)}` : "") + one();
  return " ".repeat(r.once(4) ? r.below(3) : 0) + out + " ".repeat(r.once(4) ? r.below(3) : 0);
}

const NOISE = "()=;,:?@%\"\\*-.0a A\t~_\u007f";

export function mutated(r, text) {
  let out = text;
  for (let n = 1 + r.below(2); n > 0; n--) {
    const at = r.below(out.length + 1);
    const how = r.below(3);
    out = out.slice(0, at) + (how ? r.pick(NOISE) : "") + out.slice(how === 1 ? at : at + 1);
  }
  return out;
}

// One implementation on one text: {members, text} or {error}.
export function read(implementation, kind, text) {
  let value;
  try {
    value = implementation.parse(kind, text);
  } catch (e) {
    return { error: String(e.message) };
  }
  const out = { members: implementation.members(kind, value) };
  try {
    out.text = implementation.serialize(kind, value);
  } catch (e) {
    out.text = null;
    out.unserialized = String(e.message);
  }
  return out;
}

// "" when they agree, else in what they don't.
export function difference(ours, theirs) {
  if (("error" in ours) !== ("error" in theirs)) return "error" in ours ? "takes what libdive refuses" : "refuses what libdive takes";
  if ("error" in ours) return "";
  if (JSON.stringify(ours.members) !== JSON.stringify(theirs.members)) return "reads another value";
  return ours.text === theirs.text ? "" : "writes another text";
}

export async function run(peer, r, cases, report) {
  for (let i = 0; i < cases; i++) {
    const kind = r.pick(["item", "list", "dictionary", "dictionary"]);
    const good = wellFormed(r, kind);
    const text = i % 2 ? mutated(r, good) : good;
    const ours = await peer.ask({ op: "sf", kind, text });
    for (const implementation of [structuredHeaders, structuredFieldValues]) {
      const theirs = read(implementation, kind, text);
      const what = difference(ours, theirs);
      report(implementation.name, { kind, text, ours, theirs, what });
    }
  }
}
