// SPDX-License-Identifier: BSD-2-Clause
// TXT records: what divectl prints, and generated policy and key records, read by libdive on one side
// and on the other by structured-headers with the rules of draft-callec-dive-01 (sections 5.3 and
// 5.4), written here anew.
import * as sfv from "structured-field-values";
import * as sh from "structured-headers";

const HASHES = ["sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"];
const KEY_BYTES = { ed25519: 32, ed448: 57 };
const MALFORMED = Symbol("malformed");

const isInner = (m) => Array.isArray(m[0]);
const isInteger = (m) => !isInner(m) && typeof m[0] === "number" && Number.isInteger(m[0]);
const isString = (m) => !isInner(m) && typeof m[0] === "string";
const strings = (m) => (isInner(m) && m[0].every(([v]) => typeof v === "string") ? m[0].map(([v]) => v) : MALFORMED);

const parsed = (parse, text) => {
  try {
    return parse(text);
  } catch {
    return MALFORMED;
  }
};
const dictionary = (text) => parsed(sh.parseDictionary, text);

export function readKey(text) {
  const d = dictionary(text);
  if (d === MALFORMED || !d.has("sig") || !d.has("key")) return MALFORMED;
  const sig = d.get("sig"), key = d.get("key");
  if (!isString(sig) || !Object.hasOwn(KEY_BYTES, sig[0])) return MALFORMED;
  if (isInner(key) || !(key[0] instanceof ArrayBuffer) || key[0].byteLength !== KEY_BYTES[sig[0]]) return MALFORMED;
  let allowed = null, cache = 0;
  if (d.has("allowed-hash")) {
    const listed = strings(d.get("allowed-hash"));
    if (listed === MALFORMED || !listed.every((h) => HASHES.includes(h))) return MALFORMED;
    allowed = HASHES.filter((h) => listed.includes(h));
  }
  if (d.has("cache")) {
    if (!isInteger(d.get("cache")) || d.get("cache")[0] < 0) return MALFORMED;
    cache = d.get("cache")[0];
  }
  return { algorithm: sig[0], key: Buffer.from(key[0]).toString("hex"), allowed, cache };
}

function integerOr(d, name, absent) {
  if (!d.has(name)) return absent;
  return isInteger(d.get(name)) ? d.get(name)[0] + 0 : MALFORMED;
}

export function readPolicy(text) {
  const d = dictionary(text);
  if (d === MALFORMED || !d.has("v") || !isString(d.get("v"))) return MALFORMED;
  const version = d.get("v")[0];
  if (version !== "dive-draft-00" && version !== "dive-draft-01") return MALFORMED;
  const scopes = d.has("scopes") ? strings(d.get("scopes")) : [];
  const directives = d.has("directives") ? strings(d.get("directives")) : [];
  const cache = integerOr(d, "cache", 0), invalidate = integerOr(d, "invalidate-keys-cache", null);
  if ([scopes, directives, cache, invalidate].includes(MALFORMED) || cache < 0) return MALFORMED;
  const reportTo = d.get("report-to") ?? ["", new Map()];
  if (!isString(reportTo)) return MALFORMED;
  const custom = version === "dive-draft-00" ? /^x-(?!-)[a-z-]*[a-z]$/ : /^x-[a-z-]+$/;
  return {
    version, strict: scopes.includes("strict"), scopes: [...new Set(scopes.filter((s) => custom.test(s)))],
    https: directives.includes("https-required"), report_only: directives.includes("report-only"), cache, invalidate,
    report_to: /^https:\/\/[^/?#:]/i.test(reportTo[0]) ? reportTo[0] : "",
  };
}

// Generation. Values are mostly right, sometimes of a wrong type or out of range.

const quoted = (s) => `"${s}"`;
const list = (r, words) => `(${r.some(words).map(quoted).join(" ".repeat(1 + r.below(2)))})`;
const wrong = (r) => r.pick(["1", "?1", "token", '"x"', ":AA==:", "(1)", "()", "-5", "1.5", '("sha256" 1)', '("sha1")']);

function assembled(r, members) {
  const parts = r.shuffled(members).map(([name, value]) => `${name}=${r.once(25) ? wrong(r) : value}`);
  if (r.once(4)) parts.push(r.pick(["unknown=1", 'note="a, b; c"', "flag", "x=(a b);c", `${members[0]?.[0] ?? "x"}=${wrong(r)}`]));
  const ows = () => r.pick([" ", " ", "", "  ", "\t"]);
  if (parts.length === 0) return "";
  return parts.map((p) => p + (r.once(8) ? r.pick([";p", ";p=1", "; q=\"s\""]) : "")).reduce((a, b) => `${a}${r.once(5) ? ows() : ""},${ows()}${b}`);
}

export function keyRecord(r) {
  const algorithm = r.pick(["ed25519", "ed25519", "ed448", r.pick(["ED25519", "rsa", "ed25519ph"])]);
  const length = r.once(12) ? r.pick([0, 31, 33, 56, 57, 58]) : KEY_BYTES[algorithm] ?? 32;
  const members = [["sig", quoted(algorithm)], ["key", `:${r.bytes(length).toString("base64")}:`]];
  if (r.once(2)) members.push(["allowed-hash", list(r, r.once(8) ? [...HASHES, "md5"] : HASHES)]);
  if (r.once(2)) members.push(["cache", String(r.below(100000))]);
  return assembled(r, r.once(12) ? members.slice(1) : members);
}

export function policyRecord(r) {
  const members = [["v", quoted(r.once(10) ? "dive-draft-99" : r.pick(["dive-draft-00", "dive-draft-01"]))]];
  if (!r.once(4)) members.push(["scopes", list(r, ["strict", "strict", "x-a", "x-a-b", "x--c", "x-d-", "X-E", "x-f1", "other"])]);
  if (r.once(2)) members.push(["directives", list(r, ["https-required", "report-only", "later"])]);
  if (r.once(2)) members.push(["cache", String(r.below(5000))]);
  if (r.once(3)) members.push(["invalidate-keys-cache", String(1700000000 + r.below(1000))]);
  if (r.once(3)) members.push(["report-to", quoted(r.pick(["https://a.example/r", "http://a.example/r", "HTTPS://a/?q=1", "https:///x", "mailto:a"]))]);
  return assembled(r, r.once(12) ? members.slice(1) : members);
}

export async function run(peer, r, cases, report) {
  for (let i = 0; i < cases; i++) {
    for (const [op, text, read] of [["key", keyRecord(r), readKey], ["policy", policyRecord(r), readPolicy]]) {
      const ours = await peer.ask({ op, text }), theirs = read(text);
      const same = theirs === MALFORMED ? "error" in ours : JSON.stringify(ours) === JSON.stringify(theirs);
      if ((parsed(sfv.decodeDict, text) === MALFORMED) !== (dictionary(text) === MALFORMED)) {
        report(op, { text, ours, theirs, what: "the two parsers of structured fields differ" });
      }
      report(op, { text, ours, theirs: theirs === MALFORMED ? { error: "malformed" } : theirs, what: same ? "" : "reads another record" });
    }
  }
}
