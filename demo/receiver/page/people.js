// A card for each person, the last to be told first.

import { element, icon } from "./dom.js";
import { KINDS, look } from "./looks.js";
import { elapsed, timeElement, timeOfDay } from "./times.js";

const SHOWN = 4;
const MORE = 20;
const NEWS_SHOWN = 3;
const COLUMN_PIXELS = 390;

const columns = document.getElementById("columns");
const cards = new Map();
let people = [];

/** Bring the cards and the news above them up to date. */
export function drawPeople(story) {
  if (story.isReset) {
    cards.clear();
    columns.replaceChildren();
  }
  for (const person of story.people.values()) {
    if (!cards.has(person.name)) cards.set(person.name, newCard(person));
    drawCard(cards.get(person.name), person);
  }
  people = [...story.people.values()].sort((one, other) => other.messages.at(-1).number - one.messages.at(-1).number);
  arrange();
  drawNews(story.entries.filter((entry) => entry.kind === undefined));
  drawWaiting(story);
  document.getElementById("nothing").hidden = story.entries.length > 0;
}

/** The state of a message, said and coloured. */
export function pill(message) {
  return element("span", { class: "pill", "data-status": message.status }, message.status);
}

// --- cards ---

function newCard(person) {
  const list = element("div", { class: "messages" });
  const older = element("button", { type: "button", class: "older" });
  const addresses = element("ul", { class: "addresses" });
  const count = element("span", { class: "count" });
  const top = element("header", { class: "person" }, avatar(person.name), element("div", {}, element("h2", {}, person.name), addresses), count);
  const root = element("section", { class: "card", "aria-label": person.name }, top, list, older);
  const card = { root, list, older, addresses, count, limit: SHOWN, shown: new Map(), drawn: "" };
  older.addEventListener("click", () => {
    card.limit += MORE;
    drawCard(card, person);
  });
  return card;
}

function avatar(name) {
  const words = name.split(/[\s._-]+/).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  const initials = words.length ? words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join("") : [...name][0] ?? "?";
  const made = element("span", { class: "avatar", "aria-hidden": "true" }, initials);
  const hue = [...name].reduce((sum, sign) => (sum * 31 + sign.codePointAt(0)) % 360, 7);
  made.style.setProperty("--hue", String(hue));
  return made;
}

function drawCard(card, person) {
  const wanted = person.messages.slice(-card.limit).reverse();
  const numbers = new Set(wanted.map((message) => message.number));
  for (const [number, { root }] of card.shown) {
    if (numbers.has(number)) continue;
    root.remove();
    card.shown.delete(number);
  }
  let place = card.list.firstElementChild;
  for (const message of wanted) {
    const shown = card.shown.get(message.number);
    if (shown && shown.resolvedAt === message.resolvedAt) {
      place = shown.root.nextElementSibling;
      continue;
    }
    const root = article(message);
    if (shown) {
      shown.root.replaceWith(root);
      place = root.nextElementSibling;
    } else {
      card.list.insertBefore(root, place);
    }
    card.shown.set(message.number, { root, resolvedAt: message.resolvedAt });
  }
  const older = person.messages.length - wanted.length;
  card.older.hidden = older === 0;
  card.older.textContent = `${older} older`;
  card.count.textContent = String(person.messages.length);
  card.count.title = `${person.messages.length} messages`;
  drawAddresses(card, person);
}

function drawAddresses(card, person) {
  if (card.addresses.childElementCount === person.addresses.size) return;
  const items = [...person.addresses.values()].map(({ kind, to }) =>
    element("li", { title: KINDS[kind].name }, icon(KINDS[kind].paths, KINDS[kind].name), element("span", {}, to)),
  );
  card.addresses.replaceChildren(...items);
}

function article(message) {
  const { name, paths } = KINDS[message.kind];
  return element(
    "article",
    {
      class: "message",
      "data-number": message.number,
      "data-kind": message.kind,
      "data-status": message.status,
      "aria-label": `${name}, ${message.status}, ${timeOfDay(message.at)}`,
    },
    element(
      "header",
      { class: "meta" },
      icon(paths),
      element("strong", {}, name),
      element("span", { class: "to", title: message.to }, message.to),
      timeElement(message.at),
      element("span", { class: "since" }, elapsed(message.elapsed)),
      pill(message),
    ),
    look(message),
  );
}

// --- where they stand ---

/** The first card heads the first column, the second the second: so the top row is the latest. */
function arrange() {
  const room = Math.max(Math.min(Math.floor(columns.clientWidth / COLUMN_PIXELS), people.length), 1);
  while (columns.childElementCount < room) columns.append(element("div", { class: "column" }));
  const wanted = [...columns.children].map(() => []);
  people.forEach((person, index) => wanted[index % room].push(cards.get(person.name).root));
  wanted.forEach((roots, index) => roots.forEach((root, place) => put(columns.children[index], root, place)));
  while (columns.childElementCount > room) columns.lastElementChild.remove();
}

function put(column, root, place) {
  const next = column.children[place] ?? null;
  if (next === root) return;
  // A frame that is taken out and put in again loads again; moveBefore keeps it, where there is one.
  if (root.isConnected && column.moveBefore) column.moveBefore(root, next);
  else column.insertBefore(root, next);
}

new ResizeObserver(() => {
  if (people.length) arrange();
}).observe(columns);

// --- news, and who heard nothing ---

function drawNews(news) {
  const list = document.getElementById("news");
  list.hidden = news.length === 0;
  const items = news.slice(-NEWS_SHOWN).reverse().map(({ text, at }) => element("li", {}, timeElement(at), element("span", {}, text)));
  list.replaceChildren(...items);
}

function drawWaiting(story) {
  const names = new Set(story.known.map(({ person }) => person));
  const silent = [...names].filter((name) => !story.people.has(name));
  const waiting = document.getElementById("waiting");
  waiting.hidden = silent.length === 0;
  waiting.replaceChildren(element("strong", {}, "Nothing yet: "), silent.join(", "));
}
