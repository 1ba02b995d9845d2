// SPDX-License-Identifier: BSD-2-Clause
// Changes to a signed message after which nobody may accept it. Each takes (message, r, signed) and
// gives the changed message, or null where it doesn't apply. `signed` says what the signer did:
// {components, params: Map}, of the entry that covers most.

const FLIP = (text, r) => {
  const at = r.below(text.length);
  const digit = text[at] === "A" ? "B" : "A";
  return text.slice(0, at) + digit + text.slice(at + 1);
};

const changed = (message, name, change) => {
  let found = false;
  const fields = message.fields.map(([n, v]) => {
    if (n.toLowerCase() !== name) return [n, v];
    const value = change(v);
    found ||= value !== v;
    return [n, value];
  });
  return found ? { ...message, fields } : null;
};

// Within every :...: of the value; not the last group, whose pad bits may differ without meaning it.
const flipBytes = (value, r) => value.replace(/:([A-Za-z0-9+/=]{8,}):/g, (_, b) => `:${FLIP(b.slice(0, -4), r)}${b.slice(-4)}:`);
const covers = (signed, test) => signed.components.some(test);
const inputs = (message, change) => changed(message, "signature-input", change);

export const MUTATIONS = {
  "an octet of the content": (m, r) => {
    if (m.body.length === 0) return null;
    const body = Buffer.from(m.body);
    body[r.below(body.length)] ^= 1 << r.below(8);
    return { ...m, body };
  },
  "an octet too many": (m) => ({ ...m, body: Buffer.concat([m.body, Buffer.from([0])]) }),
  "an octet too few": (m) => (m.body.length ? { ...m, body: m.body.subarray(1) } : null),
  "the digest": (m, r) => changed(m, "content-digest", (v) => flipBytes(v, r)),
  "no Content-Digest": (m) => ({ ...m, fields: m.fields.filter(([n]) => n.toLowerCase() !== "content-digest") }),
  "the signatures": (m, r) => changed(m, "signature", (v) => flipBytes(v, r)),
  "shorter signatures": (m) => changed(m, "signature", (v) => v.replace(/:[A-Za-z0-9+/]{4}/g, ":")),
  "longer signatures": (m) => changed(m, "signature", (v) => v.replace(/:([A-Za-z0-9+/]{8})/g, ":AAAA$1")),
  "no Signature": (m) => ({ ...m, fields: m.fields.filter(([n]) => n.toLowerCase() !== "signature") }),
  "no Signature-Input": (m) => ({ ...m, fields: m.fields.filter(([n]) => n.toLowerCase() !== "signature-input") }),
  "labels of one field": (m) => changed(m, "signature", (v) => v.replace(/(^|,)([ \t]*)([a-z*])/g, "$1$2z$3")),
  "created or a new one": (m) => inputs(m, (v) => (/;[ ]*created=/.test(v) ? v.replace(/;[ ]*created=(\d)/g, ";created=1$1") : v.replace(/;[ ]*keyid=/g, ";created=1;keyid="))),
  "expires taken away": (m) => inputs(m, (v) => v.replace(/;[ ]*expires=\d+/g, "")),
  "another keyid": (m) => inputs(m, (v) => v.replace(/(;[ ]*keyid=")/g, "$1z")),
  "another alg": (m) => inputs(m, (v) => v.replace(/(;[ ]*alg=")(ed25519|ed448)"/g, (_, a, b) => `${a}${b === "ed448" ? "ed25519" : "ed448"}"`)),
  "no alg": (m) => inputs(m, (v) => v.replace(/;[ ]*alg="[a-z0-9]+"/g, "")),
  "a parameter more": (m) => inputs(m, (v) => v.replace(/;[ ]*keyid=/g, ';more="x";keyid=')),
  "the order of parameters": (m) => inputs(m, (v) => v.replace(/;[ ]*(keyid="[^"]*");[ ]*(alg="[^"]*")/g, ";$2;$1")),
  "a component more": (m, r, signed) => (covers(signed, (c) => c === '"@status"') ? null : inputs(m, (v) => v.replace(/\(/g, '("@status" '))),
  "a component taken away": (m, r, signed) => (covers(signed, (c) => c === '"@status"') ? inputs(m, (v) => v.replace(/"@status" ?/g, "")) : null),
  "content-digest not covered": (m) => inputs(m, (v) => v.replace(/"content-digest"/g, '"content-length"')),
  "content-digest of the request": (m) => inputs(m, (v) => v.replace(/"content-digest"/g, '"content-digest";req')),
  "the order of components": (m, r, signed) => (signed.components.length < 2 ? null
    : inputs(m, (v) => v.replace(/\(([^()]*)\)/g, (_, list) => `(${list.trim().split(/ +/).reverse().join(" ")})`))),
  "a covered field": (m, r, signed) => (covers(signed, (c) => c.startsWith('"content-type"') && !c.includes(";req"))
    ? changed(m, "content-type", (v) => `${v}x`) : null),
  "a line more of a covered field": (m, r, signed) => (covers(signed, (c) => c.startsWith('"content-type"') && !c.includes(";req"))
    ? { ...m, fields: [...m.fields, ["Content-Type", "text/html"]] } : null),
  "the status": (m, r, signed) => (covers(signed, (c) => c === '"@status"') ? { ...m, status: 203 } : null),
  "the path": (m, r, signed) => (covers(signed, (c) => /"@(path|target-uri|request-target)";req/.test(c))
    ? { ...m, request: { ...m.request, url: m.request.url.replace(/(\/[^?]*)(?=\?|$)/, (p) => `${p}x`) } } : null),
  "the method": (m, r, signed) => (covers(signed, (c) => c === '"@method";req') ? { ...m, request: { ...m.request, method: "POST" } } : null),
  "the time is past expires": (m, r, signed) => (signed.params.has("expires") ? { ...m, now: signed.params.get("expires") + 1 } : null),
  "the time is before created": (m, r, signed) => (signed.params.has("created") ? { ...m, now: signed.params.get("created") - 61 } : null),
};
