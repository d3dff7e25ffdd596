// Keeps what the stream tells, and brings the two views up to date in batches, so that a flood costs one drawing.

import { moveTabs } from "./tabs.js";
import { drawPeople } from "./people.js";
import { drawTimeline } from "./timeline.js";

const BATCH_MILLISECONDS = 40;
const RETRY_MILLISECONDS = 1000;

const story = emptyStory([]);
let announced = 0;
let arrivals = [];
let isDrawing = false;

function emptyStory(people) {
  return { known: people, entries: [], people: new Map(), incidents: new Map(), since: null, isReset: true };
}

/** A message or a line of news, from when on time is counted, and to whom it belongs. */
function add(entry) {
  story.entries.push(entry);
  if (entry.kind === undefined) {
    story.since = entry.at;
    return;
  }
  story.since ??= entry.at;
  entry.elapsed = Math.max(entry.at - story.since, 0);
  if (!story.people.has(entry.person)) {
    story.people.set(entry.person, { name: entry.person, messages: [], addresses: new Map() });
  }
  const person = story.people.get(entry.person);
  person.messages.push(entry);
  person.addresses.set(`${entry.kind} ${entry.to}`, { kind: entry.kind, to: entry.to });
  if (entry.kind === "phone") follow(entry);
}

/** The end of an incident marks what told of its beginning to the same address. */
function follow(event) {
  const key = JSON.stringify([event.to, event.payload.dedup_key]);
  if (event.payload.event_action === "resolve") {
    for (const earlier of story.incidents.get(key) ?? []) earlier.resolvedAt = event.at;
    story.incidents.delete(key);
  } else {
    story.incidents.set(key, [...(story.incidents.get(key) ?? []), event]);
  }
}

function take(change) {
  arrivals.push(change);
  if (isDrawing) return;
  isDrawing = true;
  setTimeout(draw, BATCH_MILLISECONDS);
}

function draw() {
  isDrawing = false;
  const changes = arrivals;
  arrivals = [];
  for (const change of changes) change();
  drawPeople(story);
  drawTimeline(story);
  story.isReset = false;
  const messages = story.entries.filter((entry) => entry.kind !== undefined);
  document.getElementById("totals").textContent = totals(messages);
  announce(messages);
}

function totals(messages) {
  if (!messages.length) return "No messages yet";
  const people = story.people.size;
  return `${messages.length} message${messages.length === 1 ? "" : "s"} to ${people} ${people === 1 ? "person" : "people"}`;
}

function announce(messages) {
  const fresh = messages.slice(announced);
  announced = messages.length;
  if (!fresh.length) return;
  const last = fresh.at(-1);
  const more = fresh.length > 1 ? ` and ${fresh.length - 1} more` : "";
  document.getElementById("announcer").textContent = `${last.person}, ${last.kind}, ${last.status}: ${last.title}${more}`;
}

function show(state, text) {
  const connection = document.getElementById("connection");
  connection.dataset.state = state;
  connection.textContent = text;
}

function listen() {
  const stream = new EventSource("/events");
  stream.addEventListener("open", () => show("live", "Live"));
  stream.addEventListener("start", ({ data }) =>
    take(() => {
      Object.assign(story, emptyStory(JSON.parse(data).people));
      announced = 0;
    }),
  );
  for (const name of ["message", "news"]) {
    stream.addEventListener(name, ({ data }) => take(() => add(JSON.parse(data))));
  }
  stream.addEventListener("error", () => {
    show("lost", "Connection lost, trying again…");
    // After an answer that is no stream a browser gives up.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MILLISECONDS);
  });
}

moveTabs();
listen();
