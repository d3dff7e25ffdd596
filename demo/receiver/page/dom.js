// Building elements. Text goes in as text, never as markup; only http(s) addresses become links.

const SVG = "http://www.w3.org/2000/svg";
const ADDRESS = /https?:\/\/[^\s<>"'|]+/gi;
const AFTER_ADDRESS = /[.,;:!?)]+$/;
const LONGEST_ADDRESS = 56;

/** An element; attributes that are undefined, null or false are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An icon drawn by paths in a box of 24; with a label it is an image, without it is decoration. */
export function icon(paths, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  for (const [data, fill] of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", data);
    if (fill) {
      path.setAttribute("style", `fill:${fill};stroke:none`);
    }
    svg.append(path);
  }
  return svg;
}

/** The address if it is one of http(s), else null. */
export function safeAddress(text) {
  try {
    const address = new URL(text);
    return ["http:", "https:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}

/** A link that opens beside this page; just the label where the address is not of http(s). */
export function link(address, label, attributes = {}) {
  const href = typeof address === "string" ? safeAddress(address) : null;
  if (href === null) return element("span", {}, label);
  return element("a", { href, target: "_blank", rel: "noopener noreferrer", ...attributes }, label);
}

/** Plain text whose http(s) addresses are links; long ones are shown shortened. */
export function linked(text) {
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(AFTER_ADDRESS, "");
    const shown = address.length > LONGEST_ADDRESS ? `${address.slice(0, LONGEST_ADDRESS - 1)}…` : address;
    fragment.append(text.slice(end, match.index), link(address, shown, { title: address }));
    end = match.index + address.length;
  }
  fragment.append(text.slice(end));
  return fragment;
}
