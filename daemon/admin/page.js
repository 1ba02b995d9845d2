"use strict";
// SPDX-License-Identifier: BSD-2-Clause
// Text from outside goes into text nodes only; nothing is ever parsed as markup.
(() => {
  const EVERY = 2000, WIDTH = 520, HEIGHT = 150, LEFT = 58, BOTTOM = 20, TOP = 8;
  const SVG = "http://www.w3.org/2000/svg";
  const at = id => document.getElementById(id);
  let before = null;

  const say = (id, text, kind) => {
    at(id).textContent = text;
    at(id).className = kind || "";
  };
  const bytes = n => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
    return (i && n < 10 ? n.toFixed(1) : Math.round(n)) + " " + units[i];
  };
  const short = n => n >= 1e6 ? (n / 1e6).toFixed(1) + "M" : n >= 1e4 ? Math.round(n / 1e3) + "k"
    : n >= 10 || Number.isInteger(n) ? String(Math.round(n)) : n.toFixed(1);
  const clock = ms => new Date(ms).toLocaleTimeString([], {hour12: false});
  const since = s => (s >= 86400 ? Math.floor(s / 86400) + " d " : "") +
    new Date(s % 86400 * 1000).toISOString().slice(11, 19);

  const row = cells => {
    const tr = document.createElement("tr");
    for (const [text, kind] of cells) {
      const td = document.createElement("td");
      const inner = kind === "u" ? td.appendChild(document.createElement("div")) : td;
      inner.textContent = text;
      if (inner !== td) inner.className = "lines"; // a URL may be very long
      if (kind) td.className = kind;
      tr.append(td);
    }
    return tr;
  };
  const fill = (id, rows, columns) => {
    if (!rows.length) rows = [row([["nothing yet", "soft"], ...Array(columns - 1).fill([""])])];
    at(id).replaceChildren(...rows);
  };

  const draw = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  // 1, 2 or 5 times a power of ten.
  const roundUp = n => {
    const scale = 10 ** Math.floor(Math.log10(n));
    return [1, 2, 5, 10].find(s => s * scale >= n * 0.999999) * scale;
  };
  // `lines`: [class, values]; a point a sample, the newest at the right edge.
  const plot = (id, samples, lines, format) => {
    const highest = Math.max(...lines.flatMap(line => line[1]));
    const most = format === bytes ? 2 ** Math.ceil(Math.log2(Math.max(1 << 20, highest))) : roundUp(Math.max(2, highest));
    const svg = draw("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img"});
    const height = HEIGHT - TOP - BOTTOM, width = WIDTH - LEFT - 6;
    const y = v => HEIGHT - BOTTOM - height * v / most;
    const now = samples.length ? samples[samples.length - 1][0] : Date.now();
    for (const part of [0, 0.5, 1]) {
      svg.append(draw("path", {class: "grid", d: `M${LEFT} ${y(most * part).toFixed(1)}H${WIDTH - 6}`}),
        draw("text", {x: LEFT - 6, y: (y(most * part) + 4).toFixed(1), "text-anchor": "end"}, format(most * part)));
    }
    for (const minutes of [60, 45, 30, 15, 0]) {
      svg.append(draw("text", {x: LEFT + width * (1 - minutes / 60), y: HEIGHT - 5,
        "text-anchor": minutes === 60 ? "start" : minutes ? "middle" : "end"},
      minutes ? `-${minutes} min` : "now"));
    }
    for (const [kind, values] of lines) {
      const points = values.map((v, i) => [LEFT + width * (1 - (now - samples[i][0]) / 3600e3), y(v)])
        .filter(p => p[0] >= LEFT).map(p => p[0].toFixed(1) + "," + p[1].toFixed(1));
      if (points.length) svg.append(draw("polyline", {class: kind, points: points.join(" ")}));
    }
    at(id).replaceChildren(svg);
  };

  const tops = (id, list) => fill(id, list.slice(0, 10).map(e => row([[e.name, "w"], [short(e.requests), "n"],
    [short(e.failed), e.failed ? "n bad" : "n"], [bytes(e.bytes), "n t"]])), 4);

  const show = s => {
    const c = s.counters, cache = s.cache, audit = s.audit, h = s.history;
    const seconds = before ? (s.time_ms - before.time_ms) / 1000 : 0;
    say("version", s.version, "soft");
    say("state", `${s.ready ? "ready" : "not ready: " + s.not_ready}, mode ${s.mode}, up ${since(s.uptime_s)}, ` +
      `${s.workers} workers, process ${s.pid}, ${clock(s.time_ms)}`, s.ready ? "soft" : "bad");
    if (seconds > 0) say("requests", short((c.requests - before.counters.requests) / seconds));
    say("connections", short(s.connections));
    say("verified", short(c.verdicts.verified), c.verdicts.verified ? "good" : "");
    say("failed", short(c.verdicts.failed), c.verdicts.failed ? "bad" : "");
    say("blocked", short(c.blocked), c.blocked ? "bad" : "");
    say("reported", short(c.reported), c.reported ? "warn" : "");
    say("held", bytes(s.held_bytes));
    say("ratio", cache.hits + cache.misses ? Math.round(100 * cache.hits / (cache.hits + cache.misses)) + " %" : "–");

    const column = (name, scale) => {
      const i = h.columns.indexOf(name);
      return h.samples.map(sample => sample[i] * scale);
    };
    plot("plot-requests", h.samples, [["l0", column("requests", 1 / h.step_s)]], short);
    plot("plot-verdicts", h.samples, [["l0", column("verified", 60 / h.step_s)],
      ["l1", column("failed", 60 / h.step_s)]], short);
    plot("plot-connections", h.samples, [["l0", column("connections", 1)]], short);
    plot("plot-held", h.samples, [["l0", column("held_bytes", 1)]], bytes);

    fill("recent", s.recent.map(e => row([[clock(e.time_ms), "t"], [e.kind, "t"], [e.reason, "t"],
      [e.action, e.action === "blocked" ? "t bad" : "t"], [e.client, "t"], [e.method + " " + e.url, "u"],
      [e.exchange, "t soft"]])), 7);
    tops("hosts", s.hosts);
    tops("clients", s.clients);
    fill("verdicts", [...Object.entries(c.verdicts), ...Object.entries(c.reasons).filter(r => r[1])
      .map(r => ["failed: " + r[0], r[1]])].map(r => row([[r[0], "w"], [short(r[1]), "n"]])), 2);
    fill("inside", [
      ["stored responses", short(cache.objects)], ["stored in memory", bytes(cache.memory_bytes)],
      ["stored on disk", bytes(cache.disk_bytes)], ["DNS answers", short(c.dns_answers)],
      ["DNS without answer", short(c.dns_unanswered)], ["cached DNS records", short(s.record_cache_entries)],
      ["lost log lines", short(s.log_lines_lost)],
      ["audit store", !audit.on ? "off" : audit.failing ? "can't be written" : bytes(audit.bytes)],
      ["audit rows", short(audit.rows)], ["audit events lost", short(audit.lost)],
    ].map(r => row([[r[0], "w"], [r[1], r[1] === "can't be written" ? "n bad" : "n"]])), 2);
    before = s;
  };

  const ask = async () => {
    try {
      const answer = await fetch("/api/status.json", {cache: "no-store"});
      if (!answer.ok) throw new Error("HTTP " + answer.status);
      show(await answer.json());
    } catch (error) {
      say("state", "no answer from the daemon: " + error.message, "bad");
    }
    setTimeout(ask, EVERY);
  };
  ask();
})();
