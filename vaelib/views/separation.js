// Chapter 3: observe nodes of a graph, and see whether two others are d-separated.
import {
  begin, bind, canvas, colors, disc, el, key, line, menu, number, scale, sentenceLine, tell,
} from "./core.js";

const RADIUS = 20;

// --- the mathematics ---------------------------------------------------------------------------

function withAncestors(parents, nodes) {
  const found = new Set();
  const stack = [...nodes];
  while (stack.length) {
    const node = stack.pop();
    if (found.has(node)) continue;
    found.add(node);
    stack.push(...Object.keys(parents[node]));
  }
  return found;
}

/** The shortest path from a to b that `observed` leaves open; null when they are d-separated. */
export function openPath({ nodes, parents }, a, b, observed) {
  const arrow = (from, to) => from in parents[to];
  const opened = withAncestors(parents, observed); // colliders with an observed descendant
  const isOpen = (left, middle, right) =>
    arrow(left, middle) && arrow(right, middle) ? opened.has(middle) : !observed.includes(middle);
  let paths = [[a]];
  while (paths.length) {
    const longer = [];
    for (const path of paths) {
      const last = path[path.length - 1];
      for (const node of nodes) {
        if (path.includes(node) || !(arrow(node, last) || arrow(last, node))) continue;
        if (path.length > 1 && !isOpen(path[path.length - 2], last, node)) continue;
        if (node === b) return [...path, b];
        longer.push([...path, node]);
      }
    }
    paths = longer;
  }
  return null;
}

/** Covariances of all nodes, {node: {node: number}}; `order` has each node after its parents. */
export function covariance({ parents, noise, order }) {
  const cov = Object.fromEntries(order.map((node) => [node, {}]));
  order.forEach((node, i) => {
    const arrows = Object.entries(parents[node]);
    const along = (other) => arrows.reduce((sum, [p, weight]) => sum + weight * cov[p][other], 0);
    for (const other of order.slice(0, i)) cov[node][other] = cov[other][node] = along(other);
    cov[node][node] = along(node) + noise[node] ** 2;
  });
  return cov;
}

/** Of a and b given the observed nodes: condition the covariances on one after the other. */
export function partialCorrelation(graph, a, b, observed) {
  const cov = covariance(graph);
  const kept = [a, b, ...observed];
  for (const given of observed) {
    const column = Object.fromEntries(kept.map((n) => [n, cov[n][given]]));
    for (const u of kept) for (const v of kept) cov[u][v] -= (column[u] * column[v]) / column[given];
    kept.splice(kept.indexOf(given), 1);
  }
  return cov[a][b] / Math.sqrt(cov[a][a] * cov[b][b]);
}

/** W0 with its digit as a subscript. */
export function pretty(name) {
  return name.replace(/\d/g, (digit) => String.fromCharCode(0x2080 + Number(digit)));
}

function listed(names) {
  const shown = names.map(pretty);
  const last = shown.pop();
  return shown.length ? `${shown.join(", ")} and ${last}` : last;
}

/** The sentence under the picture. */
export function sentence(graph, a, b, observed) {
  const given = observed.length ? `Given ${listed(observed)}` : "With nothing observed";
  if (a === b) return `${given}: choose two different nodes.`;
  const path = openPath(graph, a, b, observed);
  const r = partialCorrelation(graph, a, b, observed);
  const pair = `${given}, ${pretty(a)} and ${pretty(b)}`;
  if (!path) return `${pair} are d-separated: every path is blocked. Correlation ${number(r, 3)}.`;
  const route = path.slice(1).reduce(
    (text, node, i) => `${text} ${path[i] in graph.parents[node] ? "\u2192" : "\u2190"} ${pretty(node)}`,
    pretty(a),
  );
  const why = Math.abs(r) < 1e-12 ? ": these weights cancel" : "";
  return `${pair} are not d-separated: ${route} is open. Correlation ${number(r, 3)}${why}.`;
}

// --- the view ----------------------------------------------------------------------------------

export function render(props) {
  const view = begin(props);
  const { root, model, data: { graphs } } = view;
  const put = bind(view, ["graph_index", "pair", "observed"], changed);
  let graph, pair, observed; // what is drawn
  let controls; // those of this graph

  const chosen = menu(root, { label: "Graph", names: graphs.map((g) => g.name),
    onChange: (i) => put({ graph_index: i, pair: graphs[i].pair, observed: [] }) });
  const picture = canvas(root, {
    ratio: (width) => Math.min(0.95, 330 / width),
    label: "The graph: observed nodes are filled, the chosen pair stands in squares, an open path is thick",
    draw: (ctx, width, height) => drawGraph(ctx, width, height, graph, pair, observed, colors(root)),
  });
  key(root, [["\u25cf", "blue", "observed"], ["\u25a1", "orange", "the pair"],
    ["\u2501\u2501", "orange", "an open path between the pair"]]);
  const place = el("div", {}, root);
  const text = sentenceLine(root);

  function toggle(node) {
    if (pair.includes(node)) return;
    const others = observed.filter((n) => n !== node);
    const now = others.length < observed.length ? others : [...observed, node];
    put({ observed: graph.nodes.filter((n) => now.includes(n)) });
  }

  /** Two lists for the pair and a button for every node. */
  function build() {
    place.replaceChildren();
    const { nodes } = graph;
    const ends = el("div", { class: "vw-bar", style: "flex-wrap:wrap" }, place);
    const lists = ["Does", "tell us something about"].map((label, end) => menu(ends, { label, names: nodes.map(pretty),
      onChange: (i) => put({ pair: end ? [pair[0], nodes[i]] : [nodes[i], pair[1]] }) }));
    const row = el("div", { class: "vw-bar", style: "flex-wrap:wrap", role: "group", "aria-label": "Observed nodes" }, place);
    el("span", { text: "Observe" }, row);
    const buttons = nodes.map((node) => {
      const button = el("button", { type: "button", text: pretty(node) }, row);
      button.addEventListener("click", () => toggle(node));
      return button;
    });
    return { graph, lists, buttons };
  }

  function changed() {
    graph = graphs[model.get("graph_index")];
    [pair, observed] = [model.get("pair"), model.get("observed")];
    // from Python the index may arrive before the pair and the observed nodes of its graph
    if (![...pair, ...observed].every((n) => graph.nodes.includes(n))) [pair, observed] = [graph.pair, []];
    observed = observed.filter((n) => !pair.includes(n));
    chosen.value = graphs.indexOf(graph);
    if (controls?.graph !== graph) controls = build();
    controls.lists.forEach((list, end) => { list.value = graph.nodes.indexOf(pair[end]); });
    controls.buttons.forEach((button, i) => {
      const on = observed.includes(graph.nodes[i]);
      button.setAttribute("aria-pressed", String(on));
      button.disabled = pair.includes(graph.nodes[i]);
      button.style.background = on ? "var(--vw-blue)" : "";
      button.style.color = on ? "var(--vw-bg)" : "";
      button.style.opacity = button.disabled ? 0.45 : "";
    });
    text.say(sentence(graph, ...pair, observed));
    picture.redraw();
    const two = pair[0] !== pair[1];
    tell(model, { pair, observed, path: two ? openPath(graph, ...pair, observed) : null,
      correlation: two ? partialCorrelation(graph, ...pair, observed) : null });
  }

  picture.node.style.cursor = "pointer";
  picture.node.style.touchAction = "manipulation";
  picture.node.addEventListener("click", (event) => {
    const { width, height } = picture.node.getBoundingClientRect();
    const at = spots(graph, frame(width, height));
    const near = (n) => Math.hypot(event.offsetX - at[n][0], event.offsetY - at[n][1]);
    const hit = graph.nodes.find((n) => near(n) <= RADIUS + 6);
    if (hit) toggle(hit);
  });

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

/** Pixels of every node; the graph fills the box, a unit is at most 150 wide and 100 high. */
export function spots({ nodes, places }, { left, top, right, bottom }) {
  const xs = nodes.map((n) => places[n][0]);
  const ys = nodes.map((n) => places[n][1]);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const ux = Math.min((right - left) / Math.max(x1 - x0, 1), 150);
  const uy = Math.min((bottom - top) / Math.max(y1 - y0, 1), 100);
  const [cx, cy] = [(left + right) / 2, (top + bottom) / 2];
  return Object.fromEntries(nodes.map((n) => [
    n, [cx + ux * (places[n][0] - (x0 + x1) / 2), cy - uy * (places[n][1] - (y0 + y1) / 2)],
  ]));
}

const frame = (width, height) => ({ left: 44, top: 36, right: width - 44, bottom: height - 96 });

function arrowTo(ctx, [x1, y1], [x2, y2]) {
  const far = Math.hypot(x2 - x1, y2 - y1);
  const [ux, uy] = [(x2 - x1) / far, (y2 - y1) / far];
  const [hx, hy] = [x2 - (RADIUS + 3) * ux, y2 - (RADIUS + 3) * uy];
  line(ctx, [[x1 + RADIUS * ux, y1 + RADIUS * uy], [hx - 6 * ux, hy - 6 * uy]]);
  ctx.beginPath();
  ctx.moveTo(hx, hy);
  for (const side of [1, -1]) ctx.lineTo(hx - 12 * ux - side * 5.5 * uy, hy - 12 * uy + side * 5.5 * ux);
  ctx.fill();
}

function drawGraph(ctx, width, height, graph, [a, b], observed, tone) {
  const at = spots(graph, frame(width, height));
  const path = a === b ? null : openPath(graph, a, b, observed);
  const onPath = (u, v) => path !== null && Math.abs(path.indexOf(u) - path.indexOf(v)) === 1 &&
    path.includes(u) && path.includes(v);
  // the open path last, so that no other arrow crosses it
  const arrows = graph.nodes.flatMap((n) => Object.keys(graph.parents[n]).map((p) => [p, n, onPath(p, n)]));
  for (const [from, to, open] of arrows.sort((p, q) => p[2] - q[2])) {
    ctx.strokeStyle = ctx.fillStyle = open ? tone.orange : tone.gray;
    ctx.lineWidth = open ? 4.5 : 1.5;
    arrowTo(ctx, at[from], at[to]);
  }
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (const node of graph.nodes) {
    const [px, py] = at[node];
    ctx.lineWidth = 1.8;
    ctx.strokeStyle = tone.fg;
    ctx.fillStyle = observed.includes(node) ? tone.blue : tone.bg;
    disc(ctx, px, py, RADIUS);
    ctx.stroke();
    if (observed.includes(node)) {
      ctx.strokeStyle = tone.bg;
      ctx.beginPath();
      ctx.arc(px, py, RADIUS - 4, 0, 2 * Math.PI);
      ctx.stroke();
    }
    if (node === a || node === b) {
      ctx.strokeStyle = tone.orange;
      ctx.lineWidth = 2.5;
      ctx.strokeRect(px - RADIUS - 6, py - RADIUS - 6, 2 * RADIUS + 12, 2 * RADIUS + 12);
    }
    ctx.font = "15px system-ui, sans-serif";
    ctx.fillStyle = observed.includes(node) ? tone.bg : tone.fg;
    ctx.fillText(pretty(node), px, py + 1);
  }
  ctx.font = "12px system-ui, sans-serif";
  if (a !== b) drawMeter(ctx, width, height, partialCorrelation(graph, a, b, observed), tone);
}

/** The correlation on a line from -1 to 1. */
function drawMeter(ctx, width, height, r, tone) {
  const reach = Math.min(width - 60, 420) / 2;
  const x = scale([-1, 1], [width / 2 - reach, width / 2 + reach]);
  const y = height - 40;
  ctx.strokeStyle = tone.gray;
  ctx.lineWidth = 1;
  line(ctx, [[x(-1), y], [x(1), y]]);
  ctx.fillStyle = tone.muted;
  ctx.textBaseline = "top";
  for (const t of [-1, -0.5, 0, 0.5, 1]) {
    line(ctx, [[x(t), y - 5], [x(t), y + 5]]);
    ctx.fillText(String(t).replace("-", "\u2212"), x(t), y + 8);
  }
  ctx.fillText("correlation given what is observed", width / 2, y + 24);
  ctx.strokeStyle = ctx.fillStyle = tone.blue;
  ctx.lineWidth = 5;
  line(ctx, [[x(0), y], [x(r), y]]);
  disc(ctx, x(r), y, 6);
}
