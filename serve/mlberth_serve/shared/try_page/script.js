"use strict";
const $ = (id) => document.getElementById(id);
const MOST_ROWS = 200;
const MOST_TEXT = 200000;
const SUFFIXES = {
  csv: "text/csv", json: "application/json", jsonl: "application/jsonlines", npy: "application/x-npy",
  npz: "application/x-npz", parquet: "application/x-parquet", libsvm: "text/libsvm",
  recordio: "application/x-recordio-protobuf", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg",
  txt: "text/plain",
};
let file = null;
let samples = {};
let running = null;
let language = "curl";

function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

// -- What the server says of itself.

async function describe() {
  try {
    const ping = await fetch("ping", { cache: "no-store" });
    $("state").textContent = ping.ok ? "ready" : (await ping.json()).error.message;
    $("state").className = ping.ok ? "good" : "bad";
    const answer = await fetch("openapi.json", { cache: "no-store" });
    if (!answer.ok) throw new Error();
    const post = (await answer.json()).paths["/invocations"].post;
    const reads = Object.entries(post.requestBody.content);
    fill($("reads"), reads.map(([name]) => name));
    fill($("writes"), Object.keys(post.responses["200"].content));
    samples = Object.fromEntries(
      reads.filter(([, content]) => "example" in content).map(([name, content]) => [name, content.example]));
    const names = Object.keys(samples);
    $("sample").hidden = !names.length;
    if (!$("content-type").value) {
      $("content-type").value = firstSample() || reads.map(([name]) => name).find((name) => name !== "*/*") || "text/csv";
      if (names.length && !$("payload").value) useSample();
    }
  } catch {
    $("state").textContent = "The server does not answer.";
    $("state").className = "bad";
  }
  showCode();
}

function fill(list, names) {
  list.replaceChildren(...names.filter((name) => name !== "*/*").map((name) => {
    const option = element("option");
    option.value = name;
    return option;
  }));
}

const firstSample = () => "text/csv" in samples ? "text/csv" : Object.keys(samples)[0];

function useSample() {
  const type = contentType() in samples ? contentType() : firstSample();
  const sample = samples[type];
  $("content-type").value = type;
  $("payload").value = typeof sample === "string" ? sample : JSON.stringify(sample);
  useFile(null);
}

// -- The request.

const contentType = () => $("content-type").value.trim();
const body = () => file || $("payload").value;

function useFile(chosen) {
  file = chosen;
  $("chosen").hidden = !file;
  $("payload").hidden = Boolean(file);
  URL.revokeObjectURL($("chosen-image").src);
  $("chosen-image").hidden = true;
  if (file) {
    $("chosen-name").textContent = `${file.name}, ${bytes(file.size)}`;
    const suffix = file.name.split(".").pop().toLowerCase();
    const type = SUFFIXES[suffix] || file.type;
    if (type) $("content-type").value = type;
    if (type && type.startsWith("image/")) {
      $("chosen-image").src = URL.createObjectURL(file);
      $("chosen-image").hidden = false;
    }
  } else {
    $("file").value = "";
  }
  showCode();
}

async function send() {
  if (running) return;
  const headers = { "Content-Type": contentType() };
  if ($("accept").value.trim()) headers.Accept = $("accept").value.trim();
  running = new AbortController();
  setRunning(true);
  clearAnswer();
  const began = performance.now();
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(3)} s`;
  try {
    const answer = await fetch("invocations",
      { method: "POST", headers, body: body(), signal: running.signal, cache: "no-store" });
    const line = `${answer.status} ${answer.statusText}`.trim();
    showHeaders(answer.headers);
    $("status").className = answer.ok ? "good" : "bad";
    const isStream = !answer.headers.get("Content-Length") && !answer.headers.get("Content-Encoding");
    const content = await read(answer, isStream, () => { $("status").textContent = `${line}, ${seconds()} …`; });
    $("status").textContent = `${line} in ${seconds()}, ${bytes(content.size)}`;
    await show(content, answer.headers.get("Content-Type") || "");
  } catch (error) {
    $("status").className = "bad";
    $("status").textContent = error.name === "AbortError" ? `Cancelled after ${seconds()}.`
      : `The answer broke off, or there was none, after ${seconds()}.`;
  }
  running = null;
  setRunning(false);
}

async function read(answer, isStream, moved) {
  if (!answer.body) return answer.blob();
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  const pieces = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    if (isStream) {
      moved();
      $("raw").hidden = false;
      $("raw").open = true;
      appendText(decoder.decode(value, { stream: true }));
    }
  }
  return new Blob(pieces);
}

function appendText(text) {
  const shown = $("raw-text");
  const room = MOST_TEXT - shown.textContent.length;
  if (room > 0) shown.append(text.slice(0, room));
  shown.scrollTop = shown.scrollHeight;
}

function setRunning(isRunning) {
  $("send").disabled = isRunning;
  $("cancel").hidden = !isRunning;
  if (isRunning) $("status").textContent = "Sent …";
}

// -- The answer.

function clearAnswer() {
  for (const image of $("answer").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  $("answer").replaceChildren();
  $("raw-text").textContent = "";
  $("raw").hidden = $("headers").hidden = true;
  $("raw").open = false;
  $("status").className = "";
}

function showHeaders(headers) {
  $("headers").hidden = false;
  $("header-table").replaceChildren(...[...headers].map(([name, value]) => {
    const row = element("tr");
    row.append(element("th", name), element("td", value));
    return row;
  }));
}

async function show(content, type) {
  const name = type.split(";")[0].trim().toLowerCase();
  if (name.startsWith("image/")) {
    const image = element("img");
    image.alt = "The answer";
    image.src = URL.createObjectURL(content);
    $("answer").replaceChildren(image);
    return;
  }
  if (!/json|^text\/|xml|^$/.test(name)) {
    const link = element("a", `Save the body, ${bytes(content.size)}`);
    link.href = URL.createObjectURL(content);
    link.download = "answer";
    $("answer").replaceChildren(link);
    return;
  }
  const text = await content.text();
  const table = toTable(text, name);
  if (table) $("answer").replaceChildren(table);
  $("raw").hidden = false;
  $("raw").open = !table;
  $("raw-text").textContent = clip(pretty(text, name));
}

function pretty(text, name) {
  if (name !== "application/json") return text;
  try { return JSON.stringify(JSON.parse(text), null, 1); } catch { return text; }
}

const clip = (text) => text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}\n… ${bytes(text.length)} in all` : text;

function toTable(text, name) {
  const found = toRows(text, name);
  if (!found || !found.rows.length || !found.names.length) return null;
  const { names, rows } = found;
  const cells = rows.slice(0, MOST_ROWS);
  const isNumber = names.map((_, column) => cells.every((row) => Number.isFinite(row[column])));
  const numbers = cells.flatMap((row) => row.filter((_, column) => isNumber[column]));
  const largest = numbers.length > 1 ? Math.max(...numbers.map(Math.abs)) : 0;
  const table = element("table");
  const head = element("tr");
  head.append(element("th", "row"), ...names.map((key) => element("th", key)));
  table.append(head);
  cells.forEach((row, number) => {
    const line = element("tr");
    line.append(element("th", String(number)), ...row.map((cell, column) => toCell(cell, isNumber[column] ? largest : 0)));
    table.append(line);
  });
  const box = element("div", undefined, "scroll");
  box.tabIndex = 0;
  box.append(table);
  if (rows.length > MOST_ROWS) box.append(element("p", `${rows.length - MOST_ROWS} rows more`, "help"));
  return box;
}

function toCell(cell, largest) {
  const shown = typeof cell === "string" ? cell : JSON.stringify(cell);
  if (!largest) return element("td", shown);
  const made = element("td", undefined, "meter");
  const bar = element("i");
  bar.style.width = `${100 * Math.abs(cell) / largest}%`; // by script: the policy allows no style in the markup
  made.append(bar, element("span", shown));
  return made;
}

// Returns the names of the columns and the rows of cells; null for what is no table.
function toRows(text, name) {
  try {
    if (name === "text/csv") {
      if (text.includes('"')) return null;
      return named(text.trim().split(/\r?\n/).map((line) => line.split(",").map((cell) =>
        cell.trim() !== "" && Number.isFinite(Number(cell)) ? Number(cell) : cell)));
    }
    let value = /jsonl/.test(name) ? text.trim().split("\n").map((line) => JSON.parse(line)) : JSON.parse(text);
    if (value && Array.isArray(value.predictions)) value = value.predictions;
    if (!Array.isArray(value)) return null;
    if (value.every(Array.isArray)) return named(value);
    if (value.every((row) => row && typeof row === "object" && !Array.isArray(row))) {
      const names = [...new Set(value.flatMap(Object.keys))];
      return { names, rows: value.map((row) => names.map((key) => row[key] ?? null)) };
    }
    return value.every((cell) => typeof cell !== "object") ? named(value.map((cell) => [cell])) : null;
  } catch {
    return null;
  }
}

function named(rows) {
  const width = rows[0]?.length;
  if (!rows.every((row) => row.length === width)) return null;
  return { names: width === 1 ? ["prediction"] : rows[0].map((_, column) => String(column)), rows };
}

function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

// -- The same request in code.

const CODE = {
  curl(url, type, accept) {
    const data = file ? `--data-binary ${quote(`@${file.name}`)}` : `--data-binary ${quote($("payload").value)}`;
    const lines = [`curl ${quote(url)}`, `-H ${quote(`Content-Type: ${type}`)}`];
    if (accept) lines.push(`-H ${quote(`Accept: ${accept}`)}`);
    return [...lines, data].join(" \\\n  ");
  },
  python(url, type, accept) {
    const headers = JSON.stringify({ "Content-Type": type, ...(accept && { Accept: accept }) });
    return `from urllib.request import Request, urlopen\n\n${payloadLine()}\n`
      + `request = Request(${JSON.stringify(url)}, body, ${headers})\n`
      + "with urlopen(request, timeout=60) as answer:\n    print(answer.read())";
  },
  boto3(url, type, accept) {
    const options = accept ? `, Accept=${JSON.stringify(accept)}` : "";
    return `import boto3\n\n${payloadLine()}\n`
      + 'runtime = boto3.client("sagemaker-runtime")\n'
      + "answer = runtime.invoke_endpoint(\n"
      + `    EndpointName="NAME", ContentType=${JSON.stringify(type)}${options}, Body=body\n)\n`
      + 'print(answer["Body"].read())';
  },
};

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const payloadLine = () => file ? `body = open(${JSON.stringify(file.name)}, "rb").read()`
  : `body = ${JSON.stringify($("payload").value)}.encode()`;

function showCode() {
  const url = new URL("invocations", location.href).href;
  $("code").textContent = CODE[language](url, contentType(), $("accept").value.trim());
}

function chooseLanguage(tab) {
  language = tab.dataset.code;
  for (const other of document.querySelectorAll("[role=tab]")) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
  }
  showCode();
}

async function copy() {
  const text = $("code").textContent;
  try {
    await navigator.clipboard.writeText(text);
    $("copy").textContent = "Copied";
  } catch { // not over plain http, other than on this machine
    getSelection().selectAllChildren($("code"));
    $("copy").textContent = "Selected";
  }
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
}

// -- Events.

$("request").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("request").addEventListener("input", showCode);
$("file").addEventListener("change", () => useFile($("file").files[0] || null));
$("clear").addEventListener("click", () => useFile(null));
$("sample").addEventListener("click", useSample);
$("cancel").addEventListener("click", () => running?.abort());
$("copy").addEventListener("click", copy);
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => chooseLanguage(tab));
  tab.addEventListener("keydown", (event) => {
    const tabs = [...document.querySelectorAll("[role=tab]")];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    chooseLanguage(next);
    next.focus();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("request").requestSubmit();
});
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  if (event.dataTransfer.files[0]) useFile(event.dataTransfer.files[0]);
});
describe();
