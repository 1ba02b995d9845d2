// SPDX-License-Identifier: BSD-2-Clause
// Signed responses both ways: what divectl signs has to verify with both other implementations, what
// they sign with libdive (and with each other); and after each of the changes of mutations.mjs nobody
// accepts any more.
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import * as sh from "structured-headers";
import { difference, read, structuredFieldValues, structuredHeaders } from "./fields.mjs";
import { HASHES, Key, NOW, contentDigest, messageSig, messageSignatures, question, verifyWith } from "./libraries.mjs";
import { MUTATIONS } from "./mutations.mjs";

const LIBRARIES = [messageSignatures, messageSig];
const HOSTS = ["www.lab.example", "a.b.lab.example", "lab.example"];
const STATIC_FIELDS = [["Content-Type", "text/plain; charset=utf-8"], ["Cache-Control", "max-age=60, no-transform"],
  ["Example-Dict", "a=1, b=(x y);q=1, c"], ["Priority", "u=3, i"]];
const OF_RESPONSE = ['"@status"', '"content-type"', '"cache-control"', '"content-type";bs', '"example-dict";key="b"', '"priority";sf', '"example-dict"'];
// One of the two libraries has no ;sf and no ;bs: most sets do without, so that it has a say.
const ofResponse = (r) => r.some(r.once(4) ? OF_RESPONSE : OF_RESPONSE.filter((c) => !/;(sf|bs)/.test(c)), 3);
const OF_REQUEST = ['"@path";req', '"@method";req', '"@authority";req', '"@scheme";req', '"@target-uri";req', '"@query";req', '"@request-target";req'];

async function judge(peer, message, keys, labels, now) {
  const ours = await peer.ask(question(message, keys, now));
  const theirs = {};
  for (const implementation of LIBRARIES) {
    const each = await Promise.all(labels.map((label, i) => verifyWith(implementation, message, label, keys[i], now)));
    theirs[implementation.name] = each;
  }
  return { ours, theirs };
}

// All must accept: every entry, by everybody who implements its components.
async function accepted(peer, what, message, keys, labels, report) {
  const { ours, theirs } = await judge(peer, message, keys, labels, message.now ?? NOW);
  report(what, "libdive", ours.verdict === "verified", { message, verdict: ours });
  for (const [name, each] of Object.entries(theirs)) {
    for (const answer of each) {
      if (answer === null) report(what, `${name}: a component that it has not`, true);
      else report(what, name, answer, { message });
    }
  }
}

async function refused(peer, r, message, keys, labels, signed, n, report) {
  for (const name of r.shuffled(Object.keys(MUTATIONS))) {
    if (n === 0) return;
    const other = MUTATIONS[name](message, r, signed);
    if (other === null) continue;
    n--;
    const { ours, theirs } = await judge(peer, other, keys, labels, other.now ?? NOW);
    report(`refused: ${name}`, "libdive", ours.verdict === "failed", { message: other, verdict: ours });
    for (const [implementation, each] of Object.entries(theirs)) {
      const who = each.every((answer) => answer === null) ? `${implementation}: a component that it has not` : implementation;
      report(`refused: ${name}`, who, !each.includes(true), { message: other });
    }
  }
}

// What divectl signs

function keygen(divectl, folder, r, i) {
  const file = path.join(folder, `key${i}.pem`), algorithm = r.once(3) ? "ed448" : "ed25519";
  const id = `k${i}_${r.text("abcXYZ019_", 0, 5)}`;
  const made = JSON.parse(execFileSync(divectl, ["keygen", file, "--keyid", `${id}@lab.example`, "--algorithm", algorithm, "--json"]));
  const key = new Key(r.once(3) ? `${id}@lab.example` : id, algorithm, fs.readFileSync(file));
  // The zone line holds the record as character-strings (RFC 1035 section 5.1).
  const strings = [...made.zone_line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, s]) => s.replace(/\\(.)/g, "$1"));
  if (made.record !== key.record() || strings.join("") !== made.record || strings.some((s) => s.length > 255)) {
    throw new Error(`keygen prints ${made.zone_line}, the key is ${key.record()}`);
  }
  return { file, key };
}

function signBatch(divectl, folder, r, keys, host, n) {
  const manifest = [];
  for (let i = 0; i < n; i++) {
    const file = path.join(folder, `f${i}`);
    fs.writeFileSync(file, r.bytes(r.once(8) ? 0 : r.below(3000)));
    const created = NOW - r.below(100000);
    const line = { file, path: `/${r.text("abc019-._~", 1, 8).replace(/^\.+/, "x")}${r.pick(["", "/b", "/%C3%BC", "/a%20b"])}`,
      hash: r.once(6) ? Object.keys(HASHES) : [...r.some(Object.keys(HASHES)), r.pick(Object.keys(HASHES))] };
    line.hash = [...new Set(line.hash)];
    line.component = r.shuffled([...ofResponse(r), ...r.some(OF_REQUEST, 3)]);
    if (r.once(2)) line.created = created;
    if (r.once(2)) line.expires = NOW + 1 + r.below(100000);
    manifest.push(line);
  }
  const list = path.join(folder, "manifest");
  fs.writeFileSync(list, manifest.map((m) => JSON.stringify(m)).join("\n") + "\n");
  const labels = keys.map((_, i) => (r.once(2) ? `sig${i + 1}` : r.pick(["a", "*x", "rel-2026", "b.c_d"]) + i));
  const args = ["sign", "--manifest", list, "--format", "json", "--site", `https://${host}`];
  keys.forEach(({ file, key }, i) => args.push("--key", file, "--keyid", key.id, "--label", labels[i]));
  for (const [name, value] of STATIC_FIELDS) args.push("--header", `${name}: ${value}`);
  const out = execFileSync(divectl, args, { maxBuffer: 1 << 26 }).toString().trimEnd().split("\n").map((l) => JSON.parse(l));
  if (out.length !== n) throw new Error(`divectl signed ${out.length} of ${n} files`);
  return out.map((signed, i) => ({ signed, asked: manifest[i], labels }));
}

// The fields that divectl writes are read alike by all parsers of structured fields, and are written
// as the RFC writes them.
async function fieldsRead(peer, signed, report) {
  for (const text of Object.values(signed.fields)) {
    const ours = await peer.ask({ op: "sf", kind: "dictionary", text });
    for (const implementation of [structuredHeaders, structuredFieldValues]) {
      const theirs = read(implementation, "dictionary", text);
      report("divectl's fields", implementation.name, difference(ours, theirs) === "" && theirs.text === text, { message: { text, body: "" } });
    }
  }
}

function policyOf(r, host, keys) {
  return keys.some((k) => k.id.includes("@")) || r.once(2) ? "lab.example" : host;
}

export async function oursToTheirs(peer, divectl, folder, r, batches, each, report) {
  for (let b = 0; b < batches; b++) {
    const keys = Array.from({ length: 1 + r.below(3) }, (_, i) => keygen(divectl, folder, r, b * 10 + i));
    const host = r.pick(HOSTS);
    for (const { signed, asked, labels } of signBatch(divectl, folder, r, keys, host, each)) {
      const pairs = keys.map((k) => k.key);
      const message = {
        status: 200, fields: [...STATIC_FIELDS, ...Object.entries(signed.fields)], body: fs.readFileSync(asked.file),
        policyAt: policyOf(r, host, pairs), request: { method: "GET", url: `https://${host}${asked.path}`, fields: [] },
      };
      const entry = sh.parseDictionary(signed.fields["Signature-Input"]).get(labels[0]);
      const components = entry[0].map((c) => sh.serializeItem(c));
      if (JSON.stringify(components) !== JSON.stringify(['"content-digest"', ...asked.component])) {
        report("components as asked for", "divectl", false, { message });
      }
      await fieldsRead(peer, signed, report);
      await accepted(peer, "divectl signs", message, pairs, labels, report);
      await refused(peer, r, message, pairs, labels, { components, params: entry[1] }, 4, report);
    }
    for (const { file } of keys) fs.unlinkSync(file);
  }
}

// What they sign

// The same structured field, written otherwise (RFC 9651 section 4.2 lets all of this through).
function respaced(text, r) {
  const parts = text.match(/"(?:[^"\\]|\\.)*"|:[A-Za-z0-9+/=]*:|[^":]+|./g);
  const sp = (min) => " ".repeat(min + (r.once(3) ? r.below(3) : 0));
  return parts.map((p) => (/^[":]/.test(p) && p.length > 1 ? p : p.replace(/ ?[,;()] ?| /g, (c) => {
    switch (c.trim()) {
      case ",": return r.pick([", ", ",", " , ", "\t,\t ", ",  "]);
      case ";": return `;${sp(0)}`;
      case "(": return `(${sp(0)}`;
      case ")": return c.startsWith(" ") || r.once(3) ? `${sp(0)})` : ")";
      default: return sp(1);
    }
  }))).join("");
}

const anyCase = (r, name) => (r.once(2) ? name : r.once(2) ? name.toLowerCase() : name.toUpperCase());

function unsigned(r) {
  const host = r.pick(HOSTS);
  const body = r.bytes(r.once(8) ? 0 : r.below(2000));
  const hashes = r.shuffled(Object.keys(HASHES)).slice(0, 1 + r.below(r.once(3) ? 6 : 2));
  const digest = sh.serializeDictionary(contentDigest(body, hashes));
  const fields = STATIC_FIELDS.map(([n, v]) => [anyCase(r, n), v]);
  if (hashes.length > 1 && r.once(3)) { // one line a digest
    for (const part of digest.split(", ")) fields.push([anyCase(r, "Content-Digest"), part]);
  } else {
    fields.push([anyCase(r, "Content-Digest"), r.once(2) ? respaced(digest, r) : digest]);
  }
  if (r.once(3)) fields.push(["cache-control", "private"]);
  return {
    status: 200, fields: r.once(2) ? fields : r.shuffled(fields), body,
    request: {
      method: "GET", fields: [["Accept", "*/*"], ["User-Agent", "interop/1"]],
      url: `${r.once(5) ? "http" : "https"}://${host}/${r.text("abc019-_~", 0, 6)}${r.pick(["", "?", "?a=1&b=%20", "?q=x"])}`.replace(/\?$/, ""),
    },
  };
}

async function signOnce(r, message, label, key, implementation, components) {
  const params = [["keyid", key.id], ["alg", key.algorithm]];
  if (r.once(2)) params.push(["created", NOW - r.below(100000)]);
  if (r.once(2)) params.push(["expires", NOW + 1 + r.below(100000)]);
  if (r.once(3)) params.push(["nonce", r.text("abc019-._~ ", 1, 12)]);
  if (r.once(3)) params.push(["tag", "dive"]);
  if (r.once(4)) params.push(["x-custom", r.pick([7, "a b", true, -1.5])]);
  const ordered = r.shuffled(params);
  const made = await implementation.sign(message, label, key, components, ordered);
  return { ...made, params: new Map(ordered) };
}

export async function theirsToOurs(peer, r, cases, report) {
  const keys = [Key.generate("a", "ed25519"), Key.generate("b_2@lab.example", "ed448"), Key.generate("C3", "ed25519")];
  for (let i = 0; i < cases; i++) {
    const message = unsigned(r);
    const used = r.shuffled(keys).slice(0, 1 + r.below(2));
    const labels = used.map((_, k) => r.pick(["sig", "a", "*z", "x.y-z_"]) + k);
    const entries = [];
    const digest = r.once(8) ? r.pick(['"content-digest";sf', '"content-digest";bs']) : '"content-digest"';
    for (const [k, key] of used.entries()) {
      const components = r.shuffled([digest, ...ofResponse(r), ...r.some([...OF_REQUEST, '"accept";req'], 4)]);
      const implementation = components.some((c) => /;(sf|bs)/.test(c)) ? messageSignatures : r.pick(LIBRARIES);
      entries.push({ components, implementation: implementation.name, ...(await signOnce(r, message, labels[k], key, implementation, components)) });
    }
    const space = (text) => (r.once(2) ? respaced(text, r) : text);
    if (r.once(2)) {
      message.fields.push([anyCase(r, "Signature-Input"), space(entries.map((e) => e.input).join(", "))],
        [anyCase(r, "Signature"), space(entries.map((e) => e.signature).join(", "))]);
    } else {
      for (const e of entries) message.fields.push([anyCase(r, "Signature-Input"), space(e.input)]);
      for (const e of r.shuffled(entries)) message.fields.push([anyCase(r, "Signature"), space(e.signature)]);
    }
    message.policyAt = policyOf(r, new URL(message.request.url).hostname, used);
    for (const e of entries) report("signed by", e.implementation, true);
    await accepted(peer, "they sign", message, used, labels, report);
    // What an entry covers counts for changes to all of them only if there is one.
    if (used.length === 1) await refused(peer, r, message, used, labels, entries[0], 4, report);
  }
}
