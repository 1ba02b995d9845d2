// SPDX-License-Identifier: BSD-2-Clause
// Signs one response with one of the two libraries, for a scenario. Standard input has JSON:
// {implementation, keyid, algorithm, key: PEM, components, params: [[name, value]], status, fields, body: base64,
// url}; standard output becomes the fields Content-Digest, Signature-Input and Signature as [[name, value]].
import * as crypto from "node:crypto";
import { text } from "node:stream/consumers";
import * as sh from "structured-headers";
import { Key, contentDigest, messageSig, messageSignatures } from "./libraries.mjs";

const asked = JSON.parse(await text(process.stdin));
const body = Buffer.from(asked.body, "base64");
const digest = ["Content-Digest", sh.serializeDictionary(contentDigest(body, ["sha-256", "sha3-512"]))];
const message = {
  status: asked.status, body, fields: [...asked.fields, digest], request: { method: "GET", url: asked.url, fields: [] },
};
const key = new Key(asked.keyid, asked.algorithm, crypto.createPrivateKey(asked.key));
const implementation = [messageSignatures, messageSig].find((l) => l.name === asked.implementation);
const made = await implementation.sign(message, "sig1", key, asked.components, asked.params);
console.log(JSON.stringify([digest, ["Signature-Input", made.input], ["Signature", made.signature]]));
