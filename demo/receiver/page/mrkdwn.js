// Slack's markup as elements.

import { element, icon, link, linked } from "./dom.js";
import { localTime } from "./times.js";

const TOKENS = new RegExp(
  [
    "```([\\s\\S]+?)```",
    "`([^`\\n]+)`",
    "<([^<>|]+)(?:\\|([^<>]*))?>",
    ":([a-z0-9_+-]+):",
    "(?<![\\w*])\\*(?=\\S)([^*\\n]+?)(?<=\\S)\\*(?![\\w*])",
    "(?<![\\w_])_(?=\\S)([^_\\n]+?)(?<=\\S)_(?![\\w_])",
    "(?<![\\w~])~(?=\\S)([^~\\n]+?)(?<=\\S)~(?![\\w~])",
  ].join("|"),
  "g",
);

// Drawn, since not every machine has a font for them.
const DRAWN = {
  rotating_light: [
    ["M5 20h14v2.500H5z", "#64748b"],
    ["M7 19v-6a5 5 0 0 1 10 0v6z", "#ef4444"],
    ["M11 2h2v3.500h-2zM3.200 5.800l1.500-1.400 2.400 2.500-1.500 1.400zM19.300 4.400l1.500 1.400-2.400 2.500-1.500-1.400z", "#f59e0b"],
    ["M9.500 17v-4a2.500 2.500 0 0 1 2-2.450v6.450z", "#fecaca"],
  ],
  white_check_mark: [
    ["M5 2h14a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H5a3 3 0 0 1-3-3V5a3 3 0 0 1 3-3z", "#22a352"],
    ["M10 17.500l-4.700-4.700 2-2 2.700 2.700 6.700-6.700 2 2z", "#ffffff"],
  ],
  warning: [
    ["M12 2.500l10.500 19h-21z", "#f5b70a"],
    ["M11 9h2v6h-2zM11 17h2v2h-2z", "#3b2f00"],
  ],
};
const SIGNS = { fire: "🔥", bell: "🔔", eyes: "👀", x: "❌", tada: "🎉", "+1": "👍" };
const MENTIONS = { "!channel": "@channel", "!here": "@here", "!everyone": "@everyone" };

/** A text with Slack's entities undone. */
export function unescaped(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

/** Slack's text as a fragment; without `isFormatted` only links and emoji are understood, as in an attachment's title. */
export function mrkdwn(text, isFormatted = true) {
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    const made = token(match, isFormatted);
    if (made === null) continue;
    fragment.append(linked(unescaped(text.slice(end, match.index))), made);
    end = match.index + match[0].length;
  }
  fragment.append(linked(unescaped(text.slice(end))));
  return fragment;
}

function token([, block, code, target, label, emoji, bold, italic, struck], isFormatted) {
  if (target !== undefined) return linkOrMention(unescaped(target), label);
  if (emoji !== undefined) return emojiOf(emoji);
  if (!isFormatted) return null;
  if (block !== undefined) return element("pre", {}, unescaped(block.trim()));
  if (code !== undefined) return element("code", {}, unescaped(code));
  if (bold !== undefined) return element("strong", {}, mrkdwn(bold));
  if (italic !== undefined) return element("em", {}, mrkdwn(italic));
  return element("s", {}, mrkdwn(struck));
}

function linkOrMention(target, label) {
  const shown = label ? unescaped(label) : target;
  const date = /^!date\^(\d+)\^([^^]+)/.exec(target);
  if (date) return localTime(Number(date[1]), date[2], shown);
  if (/^[!@#]/.test(target)) {
    return element("span", { class: "mention" }, MENTIONS[target] ?? (label ? shown : target.replace(/^!/, "@")));
  }
  return link(target, shown);
}

function emojiOf(name) {
  if (Object.hasOwn(DRAWN, name)) return icon(DRAWN[name], name.replaceAll("_", " "));
  return Object.hasOwn(SIGNS, name) ? SIGNS[name] : null;
}
