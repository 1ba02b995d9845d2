// SPDX-License-Identifier: BSD-2-Clause
// Two independent implementations of RFC 9421 behind one face, and beside them what neither of them
// is for: the Content-Digest (RFC 9530), and what DIVE asks of a signature beyond RFC 9421.
//
// A message is {status, fields: [[name, value]], body: Buffer, request: {method, url, fields}}.
// verify() answers true, false (refused) or null (a component it doesn't implement).
import * as crypto from "node:crypto";
import * as signatures from "http-message-signatures";
import * as sig from "http-message-sig";
import * as sh from "structured-headers";

export const NOW = 1700000000;
export const HASHES = {
  "sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512",
  "sha3-256": "sha3-256", "sha3-384": "sha3-384", "sha3-512": "sha3-512",
};

// Both libraries know Ed25519 only by themselves; both take a key of one's own making.
export class Key {
  constructor(id, algorithm, privateKey) {
    Object.assign(this, { id, algorithm, privateKey, publicKey: crypto.createPublicKey(privateKey) });
  }

  static generate(id, algorithm) {
    return new Key(id, algorithm, crypto.generateKeyPairSync(algorithm).privateKey);
  }

  get keyId() {
    return this.id.split("@")[0];
  }

  record() {
    const raw = this.publicKey.export({ format: "der", type: "spki" }).subarray(12);
    return `sig="${this.algorithm}", key=:${raw.toString("base64")}:`;
  }

  sign(data) {
    return crypto.sign(null, data, this.privateKey);
  }

  verify(data, signature) {
    return crypto.verify(null, data, this.publicKey, signature);
  }
}

const joined = (fields, name) => {
  const lines = fields.filter(([n]) => n.toLowerCase() === name).map(([, v]) => v.trim());
  return lines.length ? lines.join(", ") : null;
};

export function contentDigest(body, hashes) {
  return new Map(hashes.map((h) => [h, [new Uint8Array(crypto.createHash(HASHES[h]).update(body).digest()).buffer, new Map()]]));
}

// Every listed digest is that of the body, by an algorithm that DIVE permits.
function digestsMatch(message) {
  const text = joined(message.fields, "content-digest");
  if (text === null) return false;
  const listed = sh.parseDictionary(text);
  return listed.size > 0 && [...listed].every(([name, [value]]) => Object.hasOwn(HASHES, name) && value instanceof ArrayBuffer &&
    crypto.createHash(HASHES[name]).update(message.body).digest().equals(Buffer.from(value)));
}

// The entry is one for DIVE: it covers this response's Content-Digest, by the key's own algorithm.
function fitsDive(message, label, key) {
  const input = sh.parseDictionary(joined(message.fields, "signature-input") ?? "").get(label);
  if (!input || !sh.isInnerList(input)) return false;
  return input[1].get("alg") === key.algorithm &&
    input[0].some(([name, params]) => name === "content-digest" && [...params.keys()].every((p) => p === "sf" || p === "bs"));
}

// In A's terms: {name: value or values}
function headersOf(fields) {
  const out = {};
  for (const [name, value] of fields) {
    const known = Object.keys(out).find((n) => n.toLowerCase() === name.toLowerCase());
    if (known === undefined) out[name] = value;
    else out[known] = [out[known], value].flat();
  }
  return out;
}

export const messageSignatures = {
  name: "http-message-signatures",
  async verify(message, label, key, now) {
    const { request } = message;
    // It verifies all entries; the one label is left alone with its key.
    const fields = message.fields.filter(([n]) => !["signature", "signature-input"].includes(n.toLowerCase()));
    for (const name of ["signature", "signature-input"]) {
      const entry = sh.parseDictionary(joined(message.fields, name) ?? "").get(label);
      if (entry) fields.push([name, sh.serializeDictionary(new Map([[label, entry]]))]);
    }
    const clock = Date.now;
    Date.now = () => now * 1000;
    try {
      const config = {
        keyLookup: async ({ keyid }) => (keyid === key.id
          ? { id: key.id, algs: [key.algorithm], verify: async (data, signature) => key.verify(data, signature) } : null),
      };
      return (await signatures.httpbis.verifyMessage(config, { status: message.status, headers: headersOf(fields) },
        { method: request.method, url: request.url, headers: headersOf(request.fields) })) === true;
    } finally {
      Date.now = clock;
    }
  },
  async sign(message, label, key, components, params) {
    const { request } = message;
    const values = Object.fromEntries(params);
    for (const name of ["created", "expires"]) if (name in values) values[name] = new Date(values[name] * 1000);
    const signed = await signatures.httpbis.signMessage({
      key: { id: key.id, alg: key.algorithm, sign: async (data) => key.sign(data) }, name: label,
      fields: components, params: params.map(([name]) => name), paramValues: values,
    }, { status: message.status, headers: headersOf(message.fields) }, { method: request.method, url: request.url, headers: headersOf(request.fields) });
    return { input: signed.headers["Signature-Input"], signature: signed.headers.Signature };
  },
};

// In B's terms
function described(message) {
  const lines = (fields) => fields.map(([name, value]) => ({ name, value }));
  const url = new URL(message.request.url);
  return {
    kind: "response", status: message.status, fields: lines(message.fields),
    request: {
      kind: "request", method: message.request.method, targetUri: message.request.url,
      requestTarget: url.pathname + url.search, fields: lines(message.request.fields),
    },
  };
}

export const messageSig = {
  name: "http-message-sig",
  async verify(message, label, key, now) {
    try {
      const verified = await sig.verifySignature(described(message), {
        label, policy: { now, requiredComponents: [], requiredParameters: ["keyid"], algorithms: ["ed25519", "ed448"] },
        resolveVerifier: async ({ parameters }) => {
          if (parameters.keyid !== key.id) throw new Error("another key");
          return { algorithm: key.algorithm, verify: async (data, signature) => key.verify(data, signature) };
        },
      });
      return verified.label === label;
    } catch (e) {
      if (sig.isSignatureError(e) && e.code === "UnsupportedFeature") return null;
      throw e;
    }
  },
  async sign(message, label, key, components, params) {
    const parsed = components.map((c) => sh.parseItem(c)).map(([name, p]) => sig.component(name, Object.fromEntries(p)));
    const made = await sig.createSignature(described(message), {
      label, components: parsed, parameters: Object.fromEntries(params),
      signer: { algorithm: key.algorithm, sign: async (data) => new Uint8Array(key.sign(data)) },
    });
    return { input: made.signatureInput, signature: made.signature };
  },
};

// true, false or null, as above, with the digest and DIVE's own rules.
export async function verifyWith(implementation, message, label, key, now) {
  try {
    if (!digestsMatch(message) || !fitsDive(message, label, key)) return false;
    return await implementation.verify(message, label, key, now);
  } catch {
    return false;
  }
}

// Ours: the question for the peer.
export function question(message, keys, now) {
  const url = new URL(message.request.url);
  const txt = { [`_dive.${message.policyAt}`]: 'v="dive-draft-01", scopes=("strict")' };
  for (const key of keys) txt[`${key.keyId}._divekey.${message.policyAt}`] = key.record();
  return {
    op: "verify", host: url.hostname, now, txt, status: message.status, fields: message.fields.map(([n, v]) => [n, v.trim()]),
    body: message.body.toString("base64"),
    request: {
      method: message.request.method, scheme: url.protocol.slice(0, -1), authority: url.host, path: url.pathname,
      query: url.search, target: url.pathname + url.search, fields: message.request.fields,
    },
  };
}
