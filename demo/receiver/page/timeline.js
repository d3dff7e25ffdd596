// Everything in order of arrival, a line each; a line opens into what the message looks like.

import { element, icon } from "./dom.js";
import { KINDS, look } from "./looks.js";
import { pill } from "./people.js";
import { elapsed, timeElement } from "./times.js";

const SHOWN = 200;

const list = document.getElementById("entries");
const older = document.getElementById("timeline-older");
let limit = SHOWN;
let entries = [];
let drawn = 0;

/** Add the lines of what came since the last time. */
export function drawTimeline(story) {
  if (story.isReset) {
    list.replaceChildren();
    drawn = 0;
    limit = SHOWN;
  }
  entries = story.entries;
  const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 40;
  list.append(...entries.slice(Math.max(drawn, entries.length - limit)).map(line));
  const isFollowing = isAtEnd && drawn > 0 && drawn < entries.length && !list.closest("[hidden]");
  drawn = entries.length;
  while (list.childElementCount > limit) list.firstElementChild.remove();
  countOlder();
  if (isFollowing) scrollTo({ top: document.documentElement.scrollHeight });
}

function countOlder() {
  const hidden = entries.length - list.childElementCount;
  older.hidden = hidden === 0;
  older.textContent = `${hidden} older`;
}

function line(entry) {
  if (entry.kind === undefined) {
    return element("li", { class: "news-line" }, timeElement(entry.at), element("span", {}, entry.text));
  }
  const details = element("details", {}, summary(entry));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) {
      details.append(element("div", { class: "opened" }, look(entry)));
    }
  });
  return element("li", { "data-number": entry.number, "data-status": entry.status }, details);
}

function summary(message) {
  const { name, paths } = KINDS[message.kind];
  return element(
    "summary",
    {},
    element("span", { class: "when" }, timeElement(message.at), element("span", { class: "since" }, elapsed(message.elapsed))),
    element("span", { class: "dot" }, icon(paths)),
    element(
      "span",
      { class: "who" },
      element("strong", {}, message.person),
      element("span", { class: "over" }, message.person === message.to ? name : `${name} · ${message.to}`),
    ),
    element("span", { class: "what" }, message.title),
    pill(message),
  );
}

older.addEventListener("click", () => {
  const first = entries.length - list.childElementCount;
  const added = entries.slice(Math.max(first - SHOWN, 0), first);
  limit += added.length;
  list.prepend(...added.map(line));
  countOlder();
});
