// A mail's page in a frame without scripts, as high as what is in it.

import { element, safeAddress } from "./dom.js";

const REFUSED = "script,iframe,frame,object,embed,applet,base,link,meta,form,noscript,template,svg,math";
const REFUSED_ATTRIBUTES = ["srcdoc", "srcset", "ping", "action", "formaction", "background", "poster"];
const HIGHEST_PIXELS = 640;

/** A frame with a mail's page. The sandbox lets this page measure it and lets links open beside it, and nothing else. */
export function mailFrame(html, title) {
  const frame = element("iframe", {
    class: "mail-page",
    title,
    sandbox: "allow-same-origin allow-popups allow-popups-to-escape-sandbox",
    srcdoc: harmless(html),
  });
  const fit = () => {
    const height = frame.contentDocument?.documentElement?.getBoundingClientRect().height;
    if (height) frame.style.height = `${Math.min(Math.ceil(height), HIGHEST_PIXELS)}px`;
  };
  frame.addEventListener("load", fit);
  new ResizeObserver(fit).observe(frame);
  return frame;
}

/** The page without what could act by itself; the sandbox and the policy of this page would stop that too. */
function harmless(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const refused of page.querySelectorAll(REFUSED)) refused.remove();
  for (const found of page.querySelectorAll("*")) {
    for (const { name } of [...found.attributes]) {
      if (name.startsWith("on") || REFUSED_ATTRIBUTES.includes(name)) found.removeAttribute(name);
    }
    if (found.hasAttribute("href")) openBeside(found);
    // A picture from elsewhere would tell its owner that the mail is read.
    if (found.hasAttribute("src") && !/^data:image\//i.test(found.getAttribute("src"))) found.removeAttribute("src");
  }
  return `<!DOCTYPE html>${page.documentElement.outerHTML}`;
}

function openBeside(anchor) {
  const href = safeAddress(anchor.getAttribute("href"));
  if (href === null) {
    anchor.removeAttribute("href");
    return;
  }
  anchor.setAttribute("href", href);
  anchor.setAttribute("target", "_blank");
  anchor.setAttribute("rel", "noopener noreferrer");
}
