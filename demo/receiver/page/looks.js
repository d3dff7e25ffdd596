// What a message looks like where it arrives.

import { element, icon, link, linked } from "./dom.js";
import { mailFrame } from "./email.js";
import { mrkdwn, unescaped } from "./mrkdwn.js";
import { timeOfDay } from "./times.js";

const BELL = ["M12 3a5.500 5.500 0 0 0-5.500 5.500c0 4.600-2 6-2 7.500h15c0-1.500-2-2.900-2-7.500A5.500 5.500 0 0 0 12 3zM10 19a2 2 0 0 0 4 0"];

/** How each kind is called, and its icon. */
export const KINDS = {
  slack: { name: "Slack", paths: [["M9.500 4L7.500 20M16.500 4l-2 16M4.500 9h16M3.500 15h16"]] },
  email: { name: "Email", paths: [["M3.500 5.500h17v13h-17zM3.500 6.500l8.500 7 8.500-7"]] },
  sms: { name: "SMS", paths: [["M4 4.500h16v11.500h-9l-4.500 4v-4H4zM8 9h8M8 12h5"]] },
  phone: { name: "Phone", paths: [BELL] },
  webhook: { name: "Webhook", paths: [["M8.500 5.500L3 12l5.500 6.500M15.500 5.500L21 12l-5.500 6.500"]] },
};

const SLACK_COLORS = { good: "#2eb886", warning: "#daa038", danger: "#a30200" };
const OTHER_SLACK_COLOR = "#9ca3af";
const PHONE_STATES = { trigger: "Triggered", acknowledge: "Acknowledged", resolve: "Resolved" };
const JSON_TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi;
const LONGEST_JSON = 20_000;
const SHORT_DETAIL = 60;

/** The message as an element. */
export function look(message) {
  return { slack, email, sms, phone, webhook }[message.kind](message);
}

function text(value) {
  return typeof value === "string" ? value : "";
}

function objects(value) {
  return Array.isArray(value) ? value.filter((one) => one !== null && typeof one === "object") : [];
}

// --- Slack ---

function slack({ payload, at }) {
  const said = text(payload.text);
  return element(
    "div",
    { class: "slack" },
    element("span", { class: "slack-app" }, icon([BELL])),
    element(
      "div",
      { class: "slack-body" },
      element(
        "p",
        { class: "slack-from" },
        element("strong", {}, text(payload.username) || "incoming-webhook"),
        element("span", { class: "slack-badge" }, "APP"),
        element("span", { class: "slack-time" }, timeOfDay(at).slice(0, 5)),
      ),
      said ? element("p", { class: "slack-text" }, mrkdwn(said)) : null,
      ...objects(payload.attachments).map(attachment),
    ),
  );
}

function attachment(given) {
  const formatted = Array.isArray(given.mrkdwn_in) ? given.mrkdwn_in : [];
  const box = element("div", { class: "attachment" });
  box.style.setProperty("--bar", slackColor(text(given.color)));
  const title = mrkdwn(text(given.title), false);
  const parts = [
    text(given.pretext) ? element("p", { class: "slack-text" }, mrkdwn(text(given.pretext))) : null,
    text(given.title) ? element("p", { class: "attachment-title" }, titleLink(given, title)) : null,
    text(given.text)
      ? element("p", { class: "slack-text" }, mrkdwn(text(given.text).trim(), formatted.includes("text")))
      : null,
    ...objects(given.fields).map((field) =>
      element("p", { class: "slack-text" }, element("strong", {}, unescaped(text(field.title))), " ", mrkdwn(text(field.value))),
    ),
    text(given.footer) ? element("p", { class: "attachment-footer" }, mrkdwn(text(given.footer), false)) : null,
  ];
  box.append(...parts.filter((part) => part !== null));
  return box;
}

function titleLink(given, title) {
  return text(given.title_link) ? link(unescaped(given.title_link), title) : title;
}

function slackColor(color) {
  if (Object.hasOwn(SLACK_COLORS, color)) return SLACK_COLORS[color];
  const hex = /^#?([0-9a-f]{6})$/i.exec(color);
  return hex ? `#${hex[1]}` : OTHER_SLACK_COLOR;
}

// --- SMS ---

function sms({ text: said, at }) {
  return element(
    "div",
    { class: "device sms" },
    element("p", { class: "sms-day" }, "Text message · ", element("span", {}, timeOfDay(at).slice(0, 5))),
    element("p", { class: "bubble" }, linked(said)),
  );
}

// --- phone ---

function phone(message) {
  const event = message.payload;
  const payload = event.payload ?? {};
  const state = message.resolvedAt ? "resolve" : event.event_action;
  const severity = text(payload.severity);
  const card = element(
    "div",
    { class: "push", "data-state": state },
    element(
      "p",
      { class: "push-top" },
      element("span", { class: "push-app" }, icon([BELL])),
      element("span", {}, text(event.client) || "Incident"),
      element("span", { class: "push-time" }, timeOfDay(message.at).slice(0, 5)),
    ),
    element("p", { class: "push-title" }, message.title),
    element(
      "p",
      { class: "push-state" },
      element("span", { class: "state" }, PHONE_STATES[state] ?? state),
      message.resolvedAt ? element("span", {}, `at ${timeOfDay(message.resolvedAt)}`) : null,
      severity ? element("span", { class: "severity", "data-severity": severity }, severity) : null,
    ),
    details(payload.custom_details),
    phoneLinks(event),
  );
  return element("div", { class: "device lock" }, card);
}

function details(given) {
  if (given === null || typeof given !== "object") return null;
  const list = element("dl", { class: "push-details" });
  for (const [name, value] of Object.entries(given)) {
    const shown = (typeof value === "string" ? value : JSON.stringify(value)).trim();
    if (!shown) continue;
    const width = shown.length > SHORT_DETAIL ? { class: "long" } : {};
    list.append(element("dt", width, name), element("dd", width, linked(shown)));
  }
  return list.childElementCount ? list : null;
}

function phoneLinks(event) {
  const given = objects(event.links).map((one) => [one.href, text(one.text) || text(one.href)]);
  if (text(event.client_url)) given.push([event.client_url, `View in ${text(event.client) || "client"}`]);
  if (!given.length) return null;
  return element("p", { class: "push-links" }, ...given.map(([href, label]) => link(href, label)));
}

// --- email ---

function email({ payload, at }) {
  const page = payload.html ? mailFrame(payload.html, `Mail: ${payload.subject}`) : null;
  const plain = element("pre", { class: "mail-text" }, linked(payload.text));
  plain.hidden = page !== null;
  return element(
    "div",
    { class: "mail" },
    element("p", { class: "mail-subject" }, payload.subject || "(no subject)"),
    element(
      "div",
      { class: "mail-head" },
      element("dl", {}, ...pair("From", payload.from), ...pair("To", payload.to)),
      element("span", { class: "mail-time" }, timeOfDay(at).slice(0, 5)),
    ),
    page === null ? null : partSwitch(page, plain),
    page,
    plain,
  );
}

function pair(name, value) {
  return [element("dt", {}, name), element("dd", {}, value)];
}

function partSwitch(page, plain) {
  const buttons = [["HTML", page], ["Text", plain]].map(([label, part]) => {
    const button = element("button", { type: "button", "aria-pressed": String(!part.hidden) }, label);
    button.addEventListener("click", () => {
      page.hidden = part !== page;
      plain.hidden = part !== plain;
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
    });
    return button;
  });
  return element("div", { class: "switch", role: "group", "aria-label": "Part of the mail" }, ...buttons);
}

// --- webhook ---

function webhook({ payload, to }) {
  return element(
    "div",
    { class: "webhook" },
    element("p", { class: "webhook-head" }, element("strong", {}, "POST"), ` ${to}`),
    json(summary(payload)),
    element("details", {}, element("summary", {}, "Whole payload"), json(payload)),
  );
}

function summary(payload) {
  if (!Array.isArray(payload.alerts)) return payload;
  const alerts = objects(payload.alerts).map((alert) => ({
    status: alert.status,
    alertname: alert.labels?.alertname,
    summary: alert.annotations?.summary,
    value: alert.annotations?.value,
    threshold: alert.annotations?.threshold,
    startsAt: alert.startsAt,
    owner: alert.labels?.owner,
  }));
  return { status: payload.status, receiver: payload.receiver, alerts };
}

function json(value) {
  const whole = JSON.stringify(value, null, 2);
  const shown = whole.length > LONGEST_JSON ? `${whole.slice(0, LONGEST_JSON)}\n…` : whole;
  const block = element("pre", { class: "json", tabindex: "0" });
  let end = 0;
  for (const match of shown.matchAll(JSON_TOKENS)) {
    const kind = match[2] ? "key" : match[1] ? "string" : "number";
    block.append(shown.slice(end, match.index), element("span", { class: `json-${kind}` }, match[1] ?? match[0]), match[2] ?? "");
    end = match.index + match[0].length;
  }
  block.append(shown.slice(end));
  return block;
}
