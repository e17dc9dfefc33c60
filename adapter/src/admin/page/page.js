// Shows /status, and what changed between two looks at it.
"use strict";

const EVERY_MS = 2000;
// Without news for so long the page says that it is old.
const LATE_MS = 10000;
const DAY_S = 86400;
// As in the alerts (docs/operation/alerts.md).
const STUCK_S = 60;
const SOON_DAYS = 30;

let before = null;
let last = Date.now();

function make(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function number(value) {
  return Math.round(value).toLocaleString("en");
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return (unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)) + " " + units[unit];
}

function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return (seconds * 1000).toFixed(0) + " ms";
  if (seconds < 120) return seconds.toFixed(1) + " s";
  if (seconds < 7200) return (seconds / 60).toFixed(0) + " min";
  if (seconds < 2 * DAY_S) return (seconds / 3600).toFixed(1) + " h";
  return (seconds / DAY_S).toFixed(0) + " days";
}

function ago(moment) {
  return moment ? time(Math.max(0, (Date.now() - new Date(moment)) / 1000)) + " ago" : "never";
}

function fact(list, name, value, className) {
  const pair = make("div");
  pair.append(make("dt", name), make("dd", value, className));
  list.append(pair);
}

function trouble(about, found, className) {
  const said = make("p", undefined, "trouble " + (className || ""));
  said.append(make("strong", about + found.code + " "), found.text);
  return said;
}

function table(head, rows) {
  const scroll = make("div", undefined, "scroll");
  const made = make("table");
  const names = make("tr");
  head.forEach((name) => names.append(make("th", name)));
  made.append(names);
  rows.forEach((cells) => {
    const row = make("tr");
    cells.forEach(([text, className]) => row.append(make("td", text, className)));
    made.append(row);
  });
  scroll.append(made);
  return scroll;
}

function daysLeft(one) {
  return one.expires ? (new Date(one.expires) - Date.now()) / 1000 / DAY_S : null;
}

// Tokens end within hours, and are renewed by themselves.
function endsSoon(one) {
  const days = daysLeft(one);
  return days !== null && (days < 0 || (days < SOON_DAYS && Boolean(one.subject)));
}

function credentials(of) {
  const parts = [];
  if (of.trouble) parts.push(trouble("newer credentials are not in place: ", of.trouble));
  const rows = of.inUse.map((one) => {
    const left = daysLeft(one);
    const text = left === null ? "not known" : left < 0 ? "over" : "in " + time(left * DAY_S);
    const end = [text, left !== null && left < 0 ? "bad" : endsSoon(one) ? "wait" : ""];
    return [[one.purpose], [one.subject || one.source], [one.version || "–"], end];
  });
  if (rows.length) {
    parts.push(make("h3", "Credentials, looked up " + ago(of.checked)));
    parts.push(table(["what", "whose or from where", "version", "ends"], rows));
  }
  return parts;
}

function rate(now, then, seconds) {
  return then === undefined || !seconds ? null : Math.max(0, now - then) / seconds;
}

function isStuck(one) {
  return one.oldestUnacknowledgedSeconds > STUCK_S;
}

function waits(one) {
  return one.state !== "Ready" || Boolean(one.trouble) || isStuck(one);
}

// The worst first: no rows pass; some wait for long; some wait; they will when a certificate ends.
function badness(one) {
  if (one.state !== "Ready") return 4;
  if (isStuck(one)) return 3;
  if (one.trouble) return 2;
  return one.credentials.trouble || one.credentials.inUse.some(endsSoon) ? 1 : 0;
}

function output(now, then, seconds) {
  const card = make("article");
  const head = make("div");
  const stuck = isStuck(now);
  const mood = !waits(now) ? "good" : now.state === "Ready" ? "wait" : "bad";
  head.append(make("h2", now.alias), make("p", now.state, "pill " + mood));
  if (now.setting && now.setting !== "Open") head.append(make("p", now.setting, "pill wait"));
  head.append(make("span", `topic ${now.topic} · ${now.guarantee} · since ${ago(now.since)}`));
  card.append(head);
  if (now.trouble) card.append(trouble("", now.trouble, now.state === "Ready" ? "wait" : ""));
  const facts = make("dl");
  const received = rate(now.rowsReceived, then && then.rowsReceived, seconds);
  const stored = rate(now.recordsDelivered, then && then.recordsDelivered, seconds);
  const age = now.oldestUnacknowledgedSeconds;
  fact(facts, "oldest waits", age === null ? "none waits" : time(age), stuck ? "bad" : "");
  fact(facts, "rows in", received === null ? "–" : number(received) + " /s");
  fact(facts, "records stored", stored === null ? "–" : number(stored) + " /s");
  fact(facts, "in flight", number(now.recordsInFlight) + ", " + bytes(now.bytesInFlight));
  fact(facts, "waits for memory", number(now.waitingForMemory), now.waitingForMemory ? "wait" : "");
  const missing = now.partitionsWithoutLeader;
  const partitions = number(now.partitions) + (missing ? `, ${missing} without a leader` : "");
  fact(facts, "partitions", partitions, missing ? "wait" : "");
  fact(facts, "stored since the start", number(now.recordsDelivered));
  const aside = now.rowsNotEncoded + now.recordsRefused;
  fact(facts, "set aside", number(aside) + (now.deadLetters ? `, ${number(now.deadLetters)} letters` : ""));
  fact(facts, "batches refused", number(now.batches.refused));
  fact(facts, "batches unknown", number(now.batches.unknown), now.batches.unknown ? "wait" : "");
  card.append(facts);
  if (now.writers.length) {
    card.append(make("h3", `Writers: ${number(now.writersLive)} live`));
    card.append(table(["writer", "durable through", "accepted", "oldest waits"], now.writers.map((writer) => {
      const waits = writer.oldestUnacknowledgedSeconds;
      return [
        [writer.id + (writer.live ? "" : " (idle)")],
        [number(writer.durableThrough)],
        [number(writer.acceptedThrough)],
        [waits === null ? "–" : time(waits), waits > STUCK_S ? "bad" : ""],
      ];
    })));
  }
  card.append(...credentials(now.credentials));
  return card;
}

// Which job file is in use, and why a newer one is not.
function configuration(facts, now) {
  if (!now) return [];
  fact(facts, "configuration", `generation ${number(now.generation)}, loaded ${ago(now.loaded)}`);
  if (!now.trouble) return [];
  return [trouble(`a newer job file was refused ${ago(now.troubleSince)}: `, now.trouble, "wait")];
}

// What was logged as an error or a warning, said once with its count.
function errors(told) {
  const section = document.getElementById("errors");
  section.hidden = !told || told.length === 0;
  if (section.hidden) return section.replaceChildren();
  const level = (one) => (one.level === "error" ? 1 : 0);
  const sorted = [...told].sort((a, b) => level(b) - level(a) || new Date(b.last) - new Date(a.last));
  section.replaceChildren(make("h2", "Recent errors"), ...sorted.map((one) => {
    const said = make("div", undefined, "told " + (one.level === "error" ? "bad" : "wait"));
    const often = one.count > 1 ? `${number(one.count)} times since ${ago(one.first)}, last ` : "";
    const head = make("p");
    head.append(make("strong", one.code || one.level), one.output ? ` ${one.output}` : "", ` · ${often}${ago(one.last)}`);
    said.append(head, make("p", one.message));
    if (one.remedy) said.append(make("p", "What to do: " + one.remedy));
    return said;
  }));
}

function service(now) {
  const section = document.getElementById("service");
  const facts = make("dl");
  const used = make("div");
  const bar = make("meter");
  bar.max = now.memoryBudgetBytes;
  bar.high = now.memoryBudgetBytes * 0.9;
  bar.value = now.memoryUsedBytes;
  const memory = `${bytes(now.memoryUsedBytes)} of ${bytes(now.memoryBudgetBytes)}`;
  bar.setAttribute("aria-label", "memory budget: " + memory);
  used.append(make("dt", "memory budget"), make("dd", memory), bar);
  facts.append(used);
  fact(facts, "streams and calls", `${number(now.sessions)} of ${number(now.streamsMax)} streams`);
  fact(facts, "memory of the process", bytes(now.process.residentBytes));
  fact(facts, "descriptors", `${number(now.process.openFiles)} of ${number(now.process.filesMax)}`);
  fact(facts, "threads", number(now.process.threads));
  fact(facts, "runs for", time(now.uptimeSeconds));
  const refused = configuration(facts, now.configuration);
  section.replaceChildren(make("h2", "Service"), ...refused, facts, ...credentials(now.certificate), ...credentials(now.tokenTrust));
}

function show(now) {
  document.title = (now.ready ? "" : "! ") + now.job;
  document.getElementById("job").textContent = now.job;
  const verdict = document.getElementById("verdict");
  const waiting = now.outputs.filter(waits).length;
  const all = [now.certificate, now.tokenTrust, ...now.outputs.map((one) => one.credentials)];
  const ends = all.flatMap((of) => of.inUse).filter(endsSoon).length;
  const well = ends ? `ready, ${ends} credentials end soon` : "ready";
  verdict.textContent = now.draining ? "ends" : !now.ready ? "not ready" : waiting ? `ready, ${waiting} of ${now.outputs.length} outputs wait` : well;
  verdict.className = "pill " + (now.ready ? (waiting || ends ? "wait" : "good") : "bad");
  document.getElementById("about").textContent = `kafka-output ${now.version}, writers connect to ${now.address}`;
  const seconds = before ? now.uptimeSeconds - before.uptimeSeconds : 0;
  const then = (alias) => before && before.outputs.find((one) => one.alias === alias);
  const age = (one) => one.oldestUnacknowledgedSeconds || 0;
  const sorted = [...now.outputs].sort((a, b) => badness(b) - badness(a) || age(b) - age(a));
  document.getElementById("outputs").replaceChildren(...sorted.map((one) => output(one, then(one.alias), seconds)));
  errors(now.recentErrors);
  service(now);
  before = now;
}

async function look() {
  const lost = document.getElementById("lost");
  try {
    const answer = await fetch("status", { signal: AbortSignal.timeout(EVERY_MS * 2) });
    if (!answer.ok) throw new Error(await answer.text());
    show(await answer.json());
    last = Date.now();
    lost.hidden = true;
  } catch (error) {
    if (Date.now() - last > LATE_MS || !before) {
      lost.hidden = false;
      lost.textContent = `No answer from the service for ${time((Date.now() - last) / 1000)}; what is below is old. ${error.message}`;
    }
  }
  setTimeout(look, EVERY_MS);
}

look();
