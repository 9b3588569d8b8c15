// What stands open on a page as a reader finds it: words, code, pictures, and where they are.
() => {
  const article = document.querySelector("article.bd-article") || document.querySelector("article");
  const open = (node) => node.checkVisibility();
  const top = (node) => node.getBoundingClientRect().top + scrollY;
  const start = top(article);
  const end = start + article.getBoundingClientRect().height;
  const code = [...article.querySelectorAll(".cell_input pre")].filter(open);
  const pictures = [...article.querySelectorAll("img, svg, canvas, .vw, video")].filter(
    (node) => open(node) && node.getBoundingClientRect().height > 90
      && !node.closest(".vw .vw, mjx-container, .math, pre, summary, a.headerlink, button"));
  const spans = pictures.map((node) => [top(node), top(node) + node.getBoundingClientRect().height]);
  spans.sort((a, b) => a[0] - b[0]);
  let [last, gap] = [start, 0];
  for (const [from, to] of [...spans, [end, end]]) {
    gap = Math.max(gap, from - last);
    last = Math.max(last, to);
  }
  const views = [...article.querySelectorAll(".vw")].filter(open).map(top).sort((a, b) => a - b);
  const silent = "pre, mjx-container, .math, .cell_output, .vw, script, style, .headerlink";
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT, (text) =>
    open(text.parentElement) && !text.parentElement.closest(silent)
      ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_REJECT);
  let words = 0;
  while (walker.nextNode()) {
    words += (walker.currentNode.nodeValue.match(/[\p{L}\d][^\s]*/gu) || []).length;
  }
  return {
    height: end - start, words, gap,
    lines: code.map((pre) => pre.innerText.replace(/\n+$/, "").split("\n").length),
    clipped: code.filter((pre) => pre.scrollWidth > pre.clientWidth + 1).length,
    picture: spans.length ? spans[0][0] - start : Infinity,
    view: views.length ? views[0] - start : Infinity,
    code: code.length ? top(code[0]) - start : Infinity,
  };
}
