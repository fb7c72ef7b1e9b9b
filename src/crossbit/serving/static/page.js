// The page: asks the service and shows what it finds. No library, no build step.
"use strict";

const by = (id) => document.getElementById(id);
const ORDERED = 200; // items that are ordered anew by the query's real-valued outputs
const LARGEST = 2048; // pixels of an uploaded picture's longer side; larger ones are made smaller
let facts = null;
let last = null; // the query that is shown: asked anew when an option changes
let asking = null; // aborts the request that is under way
let shownPicture = null; // address of the picture that was asked with, to be given back

function headers(more) {
  const key = sessionStorage.getItem("crossbit-key");
  return key ? { ...more, Authorization: `Bearer ${key}` } : { ...more };
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: headers(options && options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw { title: "The service does not answer", detail: "Check that it is running, then try again." };
  }
  if (answer.status === 401) by("access").hidden = false;
  if (!answer.ok) {
    let problem = null;
    try { problem = await answer.json(); } catch { /* no document: say what we know */ }
    throw problem && problem.title
      ? problem
      : { title: `The service answered ${answer.status}`, detail: "Try again, or look into its log." };
  }
  return answer;
}

// -- asking ---------------------------------------------------------------------------------

function wanted() {
  const find = [...document.querySelectorAll("#find input:checked")].map((box) => box.value);
  const field = by("field").value.trim();
  return {
    find: find.length ? find : Object.keys(facts ? facts.views : {}),
    k: Math.min(Number(by("k").value), facts ? facts.limits.k : 1000),
    where: field ? { [field]: plain(by("value").value.trim()) } : null,
  };
}

function ordered(k) { return Math.max(k, Math.min(ORDERED, facts ? facts.limits.k : ORDERED)); }

function plain(text) {
  if (/^(true|false|-?\d+(\.\d+)?)$/.test(text)) return JSON.parse(text);
  return text.replace(/^"(.*)"$/, "$1");
}

async function search(query) {
  last = query;
  if (asking) asking.abort();
  asking = new AbortController();
  const mine = asking;
  say("Searching…");
  document.body.classList.add("waiting");
  by("problem").hidden = true;
  const started = performance.now();
  try {
    const found = await (await (query.picture ? askPicture(query) : askWords(query))).json();
    if (mine !== asking) return;
    show(query, found, performance.now() - started);
  } catch (error) {
    if (error.name === "AbortError" || mine !== asking) return;
    fail(error);
  } finally {
    if (mine === asking) document.body.classList.remove("waiting");
  }
}

function askWords(query) {
  const { find, k, where } = wanted();
  const body = { find, k };
  if (where) body.where = where;
  if (query.id !== undefined) { body.id = query.id; body.view = query.view; } else {
    body.text = query.text;
    body.rerank = ordered(k);
  }
  return ask("/v1/search", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: asking.signal,
  });
}

function askPicture(query) {
  const { find, k, where } = wanted();
  const options = new URLSearchParams();
  find.forEach((view) => options.append("find", view));
  options.set("k", k);
  options.set("rerank", ordered(k));
  if (where) options.set("where", JSON.stringify(where));
  return ask(`/v1/search/image?${options}`, {
    method: "POST",
    headers: { "Content-Type": query.picture.type || "application/octet-stream" },
    body: query.picture,
    signal: asking.signal,
  });
}

async function askWith(file) {
  let picture = file;
  try {
    const bitmap = await createImageBitmap(file);
    const scale = LARGEST / Math.max(bitmap.width, bitmap.height);
    if (scale < 1) picture = await smaller(bitmap, scale);
    bitmap.close();
  } catch { /* no picture that the browser knows: the service says what is wrong with it */ }
  by("text").value = "";
  search({ picture, name: file.name || "the pasted picture" });
}

function smaller(bitmap, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

// -- showing --------------------------------------------------------------------------------

function show(query, found, milliseconds) {
  by("welcome").hidden = true;
  showQuery(query);
  const hits = together(found.hits);
  const took = `${milliseconds.toFixed(0)} ms, of which ${found.milliseconds.toFixed(1)} ms in the service`;
  say(hits.length ? `${hits.length} found in ${took}` : "Nothing was found. Change the words, or take the filter away.");
  by("results").replaceChildren(...hits.map((hit) => card(hit, found.bits)));
}

// An item that is found by several of its views is shown once, where it is nearest.
function together(hits) {
  const items = new Map();
  for (const hit of hits) {
    const name = JSON.stringify([hit.id, hit.payload]);
    if (items.has(name)) items.get(name).views.push(hit.view);
    else items.set(name, { ...hit, views: [hit.view] });
  }
  return [...items.values()];
}

function showQuery(query) {
  const place = by("query");
  if (shownPicture) URL.revokeObjectURL(shownPicture);
  shownPicture = null;
  place.hidden = false;
  const words = document.createElement("span");
  const parts = [words];
  if (query.picture) {
    const image = document.createElement("img");
    image.alt = "The picture that was asked with";
    image.src = shownPicture = URL.createObjectURL(query.picture);
    image.addEventListener("error", () => image.remove());
    parts.unshift(image);
    words.textContent = `What is near to ${query.name}`;
  } else if (query.id !== undefined) words.textContent = `What is near to “${query.name}”`;
  else words.textContent = `What is near to “${query.text}”`;
  place.replaceChildren(...parts);
}

function card(hit, bits) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const name = caption(hit);
  button.type = "button";
  button.className = "hit";
  button.setAttribute("aria-label",
    `${name}, found by ${hit.views.join(" and ")}, ${bits - hit.distance} of ${bits} bits match; search from it`);
  button.addEventListener("click", () => {
    by("text").value = "";
    search({ id: hit.id, view: hit.view, name });
    window.scrollTo({ top: 0 });
  });
  if (hit.thumbnail) button.append(thumbnail(hit, name));
  const words = document.createElement("span");
  words.className = hit.thumbnail ? "words" : "words alone";
  words.textContent = name;
  button.append(words, nearness(hit, bits));
  item.append(button);
  return item;
}

function caption(hit) {
  const found = hit.payload.caption ?? hit.payload.title ?? hit.payload.text;
  return typeof found === "string" && found ? found : String(hit.id);
}

function thumbnail(hit, name) {
  const frame = document.createElement("span");
  frame.className = "picture";
  const image = document.createElement("img");
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  const key = sessionStorage.getItem("crossbit-key");
  if (key) fetchPicture(image, hit.thumbnail); else image.src = hit.thumbnail;
  image.addEventListener("error", () => frame.remove());
  frame.append(image);
  return frame;
}

async function fetchPicture(image, address) {
  try {
    const url = URL.createObjectURL(await (await ask(address)).blob());
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
  } catch { image.dispatchEvent(new Event("error")); }
}

function nearness(hit, bits) {
  const line = document.createElement("span");
  line.className = "near";
  line.setAttribute("aria-hidden", "true"); // the button's name says it
  const bar = document.createElement("progress");
  bar.max = bits;
  bar.value = bits - hit.distance;
  const number = document.createElement("span");
  number.textContent = `${hit.distance} off`;
  number.title = `${bits - hit.distance} of ${bits} bits match`;
  line.append(bar, number);
  if (wanted().find.length > 1) {
    const tag = document.createElement("span");
    tag.className = "tag";
    tag.textContent = hit.views.join(", ");
    line.append(tag);
  }
  return line;
}

function say(text) { by("status").textContent = text; }

function fail(problem) {
  const title = document.createElement("strong");
  title.textContent = problem.title || "Something went wrong on this page";
  const detail = document.createElement("span");
  const text = problem.detail || String(problem);
  detail.textContent = text[0].toUpperCase() + text.slice(1);
  by("problem").replaceChildren(title, detail);
  by("problem").hidden = false;
  by("results").replaceChildren();
  by("query").hidden = true;
  by("welcome").hidden = true;
  say("");
}

// -- what is here ----------------------------------------------------------------------------

async function load() {
  try {
    facts = await (await ask("/v1/index")).json();
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
    return;
  }
  by("problem").hidden = true;
  const views = Object.keys(facts.views);
  by("find").replaceChildren(...views.map((view) => choice(view)));
  document.querySelector("#search fieldset").hidden = views.length < 2;
  const asks = facts.model ? Object.values(facts.model.asks) : [];
  by("drop").hidden = !asks.includes("image");
  by("text").disabled = !asks.includes("text");
  if (!asks.includes("text")) by("text").placeholder = "This index cannot be asked with words";
  by("facts").replaceChildren(...described());
}

function choice(view) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.value = view;
  box.checked = view === (facts.views.image ? "image" : Object.keys(facts.views)[0]);
  box.addEventListener("change", again);
  label.append(box, view === "image" ? "images" : view === "text" ? "texts" : view);
  return label;
}

function described() {
  const parts = [];
  if (facts.model) {
    parts.push(table("Model", [
      ["Method", `${facts.model.method}: ${facts.model.summary}`],
      ["Code length", `${facts.model.bits} bits`],
      ["Validation MAP", facts.model.validation_map === null ? "not measured" : facts.model.validation_map.toFixed(3)],
      ["Fingerprint", facts.model.fingerprint.slice(0, 16)],
    ]));
  }
  for (const [view, held] of Object.entries(facts.views)) {
    const rows = [["Items", held.items.toLocaleString("en")], ["Bits", held.bits ?? "–"]];
    if (held.health) {
      rows.push(["Bit balance", `${(100 * held.health.balance).toFixed(0)} % (100 % is perfect)`]);
      rows.push(["Bit entropy", `${held.health.entropy.toFixed(3)} of 1`]);
      rows.push(["Dead bits", String(held.health.dead_bits)]);
      rows.push(["Distinct codes", `${held.health.distinct.toLocaleString("en")} of ${held.health.sample.toLocaleString("en")} looked at`]);
      rows.push(["Correlation of bits", held.health.correlation.toFixed(3)]);
    }
    parts.push(table(`Found by ${view}`, rows));
  }
  const version = document.createElement("p");
  version.className = "note";
  version.textContent = `Crossbit ${facts.version}. Programs: /openapi.json`;
  parts.push(version);
  return parts;
}

function table(title, rows) {
  const part = document.createElement("section");
  const head = document.createElement("h2");
  head.textContent = title;
  const list = document.createElement("dl");
  for (const [name, value] of rows) {
    const term = document.createElement("dt");
    term.textContent = name;
    const text = document.createElement("dd");
    text.textContent = value;
    list.append(term, text);
  }
  part.append(head, list);
  return part;
}

// -- what people do ---------------------------------------------------------------------------

function again() { if (last) search(last); }

by("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = by("text").value.trim();
  if (text) search({ text });
  else by("text").focus();
});
by("file").addEventListener("change", (event) => {
  const file = event.target.files[0];
  if (file) askWith(file);
  event.target.value = "";
});
for (const id of ["k", "field", "value"]) by(id).addEventListener("change", again);
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData ? event.clipboardData.files : [])][0];
  if (file) askWith(file);
});
let inside = 0; // dragenter and dragleave come for every element that is crossed
document.addEventListener("dragenter", (event) => { event.preventDefault(); inside += 1; by("drop").classList.add("over"); });
document.addEventListener("dragleave", () => { inside -= 1; if (inside <= 0) by("drop").classList.remove("over"); });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  by("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) askWith(file);
});
by("keyform").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("crossbit-key", by("key").value);
  by("key").value = "";
  load().then(again);
});

load();
