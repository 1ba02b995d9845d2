// SPDX-License-Identifier: BSD-2-Clause
// libdive (peer.c) as a process that answers questions, one line each, in order.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class Peer {
  constructor(path) {
    this.waiting = [];
    this.process = spawn(path, [], { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.process.stdout }).on("line", (line) => this.waiting.shift().resolve(JSON.parse(line)));
    this.process.on("exit", (code) => {
      for (const { reject } of this.waiting) reject(new Error(`the peer ended with ${code}`));
    });
  }

  ask(question) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.process.stdin.write(JSON.stringify(question) + "\n");
    });
  }

  async end() {
    this.process.stdin.end();
    if (this.process.exitCode === null) await new Promise((resolve) => this.process.on("exit", resolve));
    return this.process.exitCode;
  }
}
