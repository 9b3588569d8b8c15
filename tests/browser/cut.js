// Pictures and formulas of which a part lies outside of its box, or of the window.
() => {
  const article = document.querySelector("article.bd-article") || document.querySelector("article");
  const cut = (node) => {
    for (let at = node; at && at !== article; at = at.parentElement) {
      if (at.scrollWidth > at.clientWidth + 4 && getComputedStyle(at).overflowX !== "visible") return true;
    }
    return node.getBoundingClientRect().right > innerWidth + 1;
  };
  const nodes = [...article.querySelectorAll("img, canvas, .vw svg, div.math")].filter(
    (node) => node.checkVisibility()
      && (node.matches("div.math") || node.getBoundingClientRect().height > 90));
  return nodes.filter(cut).map((node) => (node.alt || node.textContent || node.outerHTML).slice(0, 90));
}
