// Two views, of which one is shown; the address remembers which.

const tabs = [...document.querySelectorAll('[role="tab"]')];

function select(tab) {
  for (const one of tabs) {
    const isSelected = one === tab;
    one.setAttribute("aria-selected", String(isSelected));
    one.tabIndex = isSelected ? 0 : -1;
    document.getElementById(one.getAttribute("aria-controls")).hidden = !isSelected;
  }
}

function remember(tab) {
  select(tab);
  history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
}

function addressed() {
  return tabs.find((tab) => `#${tab.getAttribute("aria-controls")}` === location.hash) ?? tabs[0];
}

/** Let mouse, keyboard and address choose the view. */
export function moveTabs() {
  const keys = { ArrowRight: 1, ArrowLeft: -1 };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => remember(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const target = { Home: 0, End: tabs.length - 1 }[key] ?? (index + (keys[key] ?? 0) + tabs.length) % tabs.length;
      if (target === index) return;
      remember(tabs[target]);
      tabs[target].focus();
    });
  });
  addEventListener("hashchange", () => select(addressed()));
  select(addressed());
}
