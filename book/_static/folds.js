// Folds of a page: opened by links to what is inside, by one control, and in print.
// (Find-in-page opens <details> by itself.)
"use strict";
{
  const article = document.querySelector("article");
  const folds = [...article.querySelectorAll("details")];
  const deeper = folds.filter((fold) => fold.classList.contains("deeper"));

  /** Open every fold around a node. Returns whether one was closed. */
  function reveal(node) {
    let opened = false;
    for (let at = node; at && at !== article; at = at.parentElement) {
      if (at.tagName === "DETAILS" && !at.open) opened = at.open = true;
    }
    return opened;
  }

  function followAddress() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target || !article.contains(target)) return;
    // A label before a section names the section: its fold is inside.
    const own = target.matches("section.deeper-section") ? target.querySelector("details") : null;
    if (own && !own.open) own.open = true;
    reveal(target);
    target.scrollIntoView();
  }
  addEventListener("hashchange", followAddress);
  // The same address once more makes no hashchange.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (link && link.hash === location.hash) setTimeout(followAddress);
  });
  followAddress();

  // Print shows everything, and leaves the page as it was.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = folds.filter((fold) => !fold.open);
    for (const fold of closed) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });

  if (deeper.length) {
    const control = document.createElement("button");
    control.type = "button";
    control.className = "open-all";
    const allOpen = () => deeper.every((fold) => fold.open);
    const label = () => {
      control.textContent = allOpen() ? "Close all deeper sections" : `Open all deeper sections (${deeper.length})`;
    };
    control.addEventListener("click", () => {
      const open = !allOpen();
      for (const fold of deeper) fold.open = open;
      label();
    });
    for (const fold of deeper) fold.addEventListener("toggle", label);
    label();
    const line = document.createElement("p");
    line.append(control);
    const facts = article.querySelector(".run-facts");
    if (facts) facts.append(" ", control);
    else article.querySelector("h1").after(line);
  }

  // The contents list says which sections are deeper.
  for (const link of document.querySelectorAll(".page-toc .toc-entry > a")) {
    if (link.textContent.includes("Deeper: ")) link.parentElement.classList.add("deeper");
  }
}
