// SPDX-License-Identifier: BSD-2-Clause
// A generator of the same choices in every run (INTEROP_SEED picks others): a failure can be repeated.

export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // 0 to n - 1 (xorshift32 after a Weyl step; quality is no matter here)
  below(n) {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) % n;
  }

  // true once in n times
  once(n) {
    return this.below(n) === 0;
  }

  pick(array) {
    return array[this.below(array.length)];
  }

  // each member with a chance of 1 to n, order kept
  some(array, n = 2) {
    return array.filter(() => this.once(n));
  }

  shuffled(array) {
    const out = [...array];
    for (let i = out.length - 1; i > 0; i--) {
      const k = this.below(i + 1);
      [out[i], out[k]] = [out[k], out[i]];
    }
    return out;
  }

  bytes(n) {
    return Buffer.from(Array.from({ length: n }, () => this.below(256)));
  }

  text(alphabet, min, max) {
    let out = "";
    for (let n = min + this.below(max - min + 1); n > 0; n--) out += alphabet[this.below(alphabet.length)];
    return out;
  }
}
