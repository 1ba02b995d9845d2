// SPDX-License-Identifier: BSD-2-Clause
// Runs all parts, prints what was tried, and fails at any difference that isn't known. See README.md.
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as fields from "./fields.mjs";
import { Peer } from "./peer.mjs";
import { Random } from "./random.mjs";
import * as records from "./records.mjs";
import * as signatures from "./signatures.mjs";

const seed = Number(process.env.INTEROP_SEED ?? 1), scale = Number(process.env.INTEROP_SCALE ?? 1);
const SHOWN = 5; // differences that are printed in full
const counts = new Map();
let failures = 0;

function count(part, who, good) {
  const key = `${part}\t${who}`;
  const entry = counts.get(key) ?? { good: 0, bad: 0 };
  entry[good ? "good" : "bad"]++;
  counts.set(key, entry);
}

function fail(part, who, detail) {
  if (failures++ < SHOWN) console.log(`DIFFERENCE: ${part}: ${who}\n${JSON.stringify(detail, null, 1)}\n`);
}

function reportSignature(what, who, good, detail) {
  count(what, who, good);
  if (!good) fail(what, who, { ...detail, message: { ...detail.message, body: detail.message.body.toString("base64") } });
}

const knownCounts = new Map();

function reportField(implementation, c) {
  const known = c.what ? fields.known(implementation, c) : null;
  if (known) knownCounts.set(known, (knownCounts.get(known) ?? 0) + 1);
  count(`structured fields, ${"error" in c.ours ? "refused" : "read and written"}`, implementation, !c.what || known);
  if (c.what && !known) fail(c.what, implementation, c);
}

function reportRecord(op, c) {
  count(`${op} records, ${"error" in c.ours ? "refused" : "read"}`, "structured-headers", !c.what);
  if (c.what) fail(c.what, op, c);
}

const peer = new Peer(process.env.PEER);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dive-interop-"));
try {
  const r = new Random(seed);
  await signatures.oursToTheirs(peer, process.env.DIVECTL, folder, r, 8 * scale, 25, reportSignature);
  await signatures.theirsToOurs(peer, r, 200 * scale, reportSignature);
  await records.run(peer, r, 1000 * scale, reportRecord);
  await fields.run(peer, r, 4000 * scale, reportField);
} finally {
  fs.rmSync(folder, { recursive: true });
}
if ((await peer.end()) !== 0) fail("the end", "libdive", {});

console.log(`interop, INTEROP_SEED=${seed}\n`);
const changes = new Map(); // the many ways to be refused, in one row
for (const [key, { good, bad }] of [...counts]) {
  const [part, who] = key.split("\t");
  if (!part.startsWith("refused: ")) continue;
  const row = changes.get(who) ?? { good: 0, bad: 0 };
  changes.set(who, { good: row.good + good, bad: row.bad + bad });
  counts.delete(key);
}
for (const [who, row] of changes) counts.set(`after a change, refused\t${who}`, row);
for (const [key, { good, bad }] of counts) {
  const [part, who] = key.split("\t");
  console.log(`  ${part.padEnd(36)} ${who.padEnd(56)} ${String(good).padStart(6)} ${bad ? `${bad} DIFFER` : ""}`);
}
console.log("\nKnown differences (theirs, by RFC 9651):");
for (const [known, n] of knownCounts) console.log(`  ${String(n).padStart(6)}  ${known.implementation ?? "both"}: ${known.why} (section ${known.section})`);
console.log(failures ? `\ninterop: ${failures} differences` : "\ninterop: no other difference");
process.exitCode = failures ? 1 : 0;
