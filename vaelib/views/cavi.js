// Chapter 5: coordinate ascent on a mixture, half a step at a time, with points and starts of one's own.
import { axes, begin, bind, canvas, choice, colors, disc, el, key, line, number, scale, sentenceLine, slider, tell, thousands } from "./core.js";

// --- the mathematics, as in vaelib/mixture.py ----------------------------------------------------

const LOG_2PI = Math.log(2 * Math.PI);
export const START_S2 = 10; // variance of q(mu_k) before the first half step

/** The optimal q(c) for this q(mu): rows of K responsibilities. */
export function responsibilities(x, { m, s2 }) {
  return x.map((p) => {
    const logits = m.map((c, k) => -0.5 * ((p[0] - c[0]) ** 2 + (p[1] - c[1]) ** 2) - s2[k]);
    const top = Math.max(...logits);
    const weights = logits.map((v) => Math.exp(v - top));
    const total = weights.reduce((sum, v) => sum + v, 0);
    return weights.map((v) => v / total);
  });
}

/** The optimal q(mu) for this q(c). */
export function update(x, resp, sigma2) {
  const [m, s2] = [[], []];
  resp[0].forEach((_, k) => {
    let [count, sx, sy] = [0, 0, 0];
    resp.forEach((row, i) => { count += row[k]; sx += row[k] * x[i][0]; sy += row[k] * x[i][1]; });
    s2.push(1 / (1 / sigma2 + count));
    m.push([s2[k] * sx, s2[k] * sy]);
  });
  return { m, s2 };
}

/** The ELBO in nats of q(mu) and q(c): the five terms of the thesis, D = 2. */
export function elbo(x, { m, s2 }, resp, sigma2) {
  const k = m.length;
  let total = -k * Math.log(2 * Math.PI * sigma2) - x.length * Math.log(k) + k * (LOG_2PI + 1);
  m.forEach((c, j) => {
    total += -0.5 * (c[0] ** 2 + c[1] ** 2 + 2 * s2[j]) / sigma2 + Math.log(s2[j]);
  });
  x.forEach((p, i) => resp[i].forEach((r, j) => {
    if (r === 0) return;
    const square = (p[0] - m[j][0]) ** 2 + (p[1] - m[j][1]) ** 2 + 2 * s2[j];
    total -= 0.5 * r * (2 * LOG_2PI + square) + r * Math.log(r);
  }));
  return total;
}

/** The state before the first half step: every responsibility 1/K. */
export function begun(x, start) {
  const k = start.length;
  return { m: start, s2: start.map(() => START_S2), resp: x.map(() => new Array(k).fill(1 / k)), path: [start], elbos: [], step: 0 };
}

/** After one more half step: responsibilities at odd steps, centers at even ones. */
export function halfStep(x, state, sigma2) {
  const step = state.step + 1;
  const next = step % 2 ? { ...state, resp: responsibilities(x, state) } : { ...state, ...update(x, state.resp, sigma2) };
  if (step % 2 === 0) next.path = [...state.path, next.m];
  return { ...next, step, elbos: [...state.elbos, elbo(x, next, next.resp, sigma2)] };
}

/** Half steps until a whole sweep raises the ELBO by less than 1e-9, `most` of them at most. */
export function toTheEnd(x, state, sigma2, most = 400) {
  let now = state;
  for (let i = 0; i < most; i++) {
    now = halfStep(x, now, sigma2);
    const n = now.elbos.length;
    if (now.step % 2 && n > 3 && now.elbos[n - 1] - now.elbos[n - 3] < 1e-9) break;
  }
  return now;
}

/** K starts from N(0, 4 I), from a seed (Mulberry32, then Box and Muller). */
export function randomStart(seed, k) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return Array.from({ length: k }, () => [2 * normal(), 2 * normal()]);
}

/** The sentence under the pictures. */
export function sentence({ step, elbos }, n, logEvidence) {
  if (step === 0) return `${thousands(n)} points, before the first half step: every responsibility is the same.`;
  const what = step % 2 ? "responsibilities" : "centers";
  const gap = logEvidence === null ? "" : `, ${number(logEvidence - elbos.at(-1))} nats below log p(x)`;
  return `Half step ${step}, ${what}: ELBO ${number(elbos.at(-1))}${gap}.`;
}

// --- the view ----------------------------------------------------------------------------------

const RESTARTS = 20;
const INKS = ["blue", "orange", "green", "gray", "fg", "muted"];

export function render(props) {
  const view = begin(props);
  const { root, model, data } = view;
  const put = bind(view, ["x", "start", "sigma2", "step"], changed);
  const again = (values) => { restarts = []; put({ ...values, step: 0 }); };
  let state = null; // at model.step, for the points, starts and sigma2 of `settings`
  let settings = "";
  let restarts = [];
  let seed = 0;
  let taken = null; // the center that has the focus or the pointer

  const views = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 14px" }, root);
  const half = (attributes = {}) => el("div", { style: "flex:1 1 290px;min-width:0", ...attributes }, views);
  const box = (width, height) => ({ left: 40, top: 8, right: width - 10, bottom: height - 40 });
  const frame = half({ tabindex: 0, role: "application",
    "aria-label": "Plane of the points: click adds a point, drag moves a center; a digit takes a center, arrow keys move it" });
  const map = canvas(frame, { ratio: 0.86, label: "The points in the colors of their responsibilities, and the centers with circles of two standard deviations",
    draw: (ctx, width, height) => drawMap(ctx, box(width, height), ranges(width, height), model.get("x"), state, taken, data.axis_names, colors(root)) });
  const curve = canvas(half(), { ratio: 0.86, label: "The ELBO after each half step",
    draw: (ctx, width, height) => drawCurve(ctx, { ...box(width, height), left: 62 }, state, restarts, evidenceOf(), colors(root)) });
  key(root, [["\u2460", "fg", "center with its path; circle: 2 s\u2096"], ["\u25cf", "blue", "points, colored by responsibility"],
    ["\u2012 \u2012", "orange", "log p(x), where it is known"]]);
  const bar = el("div", { class: "vw-bar", style: "flex-wrap:wrap" }, root);
  const button = (text, act, parent = bar) => {
    const node = el("button", { type: "button", text }, parent);
    node.addEventListener("click", act);
    return node;
  };
  const next = button("", () => put({ step: model.get("step") + 1 }));
  button("Whole sweep", () => put({ step: model.get("step") + 2 - (model.get("step") % 2) }));
  button("Run to the end", () => put({ step: toTheEnd(model.get("x"), state, model.get("sigma2")).step }));
  button("Back to the start", () => put({ step: 0 }));
  const second = el("div", { class: "vw-bar", style: "flex-wrap:wrap" }, root);
  button("Random start", () => again({ start: randomStart(seed += 1, model.get("start").length) }), second);
  button(`${RESTARTS} random starts`, () => {
    const [x, sigma2, k] = [model.get("x"), model.get("sigma2"), model.get("start").length];
    restarts = Array.from({ length: RESTARTS }, () => {
      const start = randomStart(seed += 1, k);
      return { start, end: toTheEnd(x, begun(x, start), sigma2) };
    });
    changed();
  }, second);
  button("Show the best", () => {
    if (!restarts.length) return;
    const best = restarts.reduce((a, b) => (b.end.elbos.at(-1) > a.end.elbos.at(-1) ? b : a));
    put({ start: best.start, step: best.end.step });
  }, second);
  const third = el("div", { class: "vw-bar", style: "flex-wrap:wrap" }, root);
  button("Remove last point", () => { if (model.get("x").length > 1) again({ x: model.get("x").slice(0, -1) }); }, third);
  button("One point only", () => again({ x: [model.get("x")[0]] }), third);
  button("The chapter's points", () => again({ x: data.points }), third);
  const amount = slider(root, { label: "Number of components K", min: 1, max: 6, step: 1, show: (k) => `K = ${k}`,
    onInput: (k) => again({ start: [...model.get("start"), ...randomStart(seed += 1, 6)].slice(0, k) }) });
  const prior = choice(root, { values: data.variances, label: "Prior variance of a center", show: (v) => `Prior variance ${v}`,
    onChange: (sigma2) => again({ sigma2 }) });
  const text = sentenceLine(root);

  const original = JSON.stringify([data.points, data.components, data.sigma2]);
  const evidenceOf = () => (JSON.stringify([model.get("x"), model.get("start").length, model.get("sigma2")]) === original
    ? data.log_evidence : null);

  /** The plane that is shown: that of the chapter's points, whatever is added. */
  function ranges(width, height) {
    const area = box(width, height);
    return squareRanges(data.points, area.right - area.left, area.bottom - area.top);
  }

  function place(event) {
    const area = map.node.getBoundingClientRect();
    const { left, top, right, bottom } = box(area.width, area.height);
    const [xRange, yRange] = ranges(area.width, area.height);
    const [u, v] = [event.clientX - area.left, event.clientY - area.top];
    const round = (value) => Math.round(1000 * value) / 1000;
    return { at: [round(scale([left, right], xRange)(u)), round(scale([bottom, top], yRange)(v))],
      unit: (xRange[1] - xRange[0]) / (right - left) };
  }
  frame.addEventListener("pointerdown", (event) => {
    const { at, unit } = place(event);
    const near = state.m.map((c, k) => [Math.hypot(c[0] - at[0], c[1] - at[1]) / unit, k]).sort((a, b) => a[0] - b[0])[0];
    taken = near[0] < 16 ? near[1] : null;
    if (taken !== null) frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (taken !== null && frame.hasPointerCapture(event.pointerId)) lead(taken, place(event).at);
  });
  frame.addEventListener("click", (event) => {
    if (taken === null) again({ x: [...model.get("x"), place(event).at] });
    taken = null;
  });
  frame.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const k = Number(event.key);
    if (k >= 1 && k <= state.m.length) { taken = k - 1; map.redraw(); return; }
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
    if (!way) return;
    taken = Math.min(taken ?? 0, state.m.length - 1);
    const size = event.shiftKey ? 0.5 : 0.1;
    lead(taken, state.m[taken].map((v, i) => Math.round(1000 * (v + size * way[i])) / 1000));
    event.preventDefault();
  });

  /** A center that is moved begins a new run, from where all centers are. */
  function lead(k, at) {
    again({ start: state.m.map((c, j) => (j === k ? at : c)) });
  }

  function changed() {
    const [x, start, sigma2, step] = ["x", "start", "sigma2", "step"].map((n) => model.get(n));
    const now = JSON.stringify([x, start, sigma2]);
    if (now !== settings || state.step > step) [settings, state] = [now, begun(x, start)];
    while (state.step < step) state = halfStep(x, state, sigma2);
    next.textContent = step % 2 ? "Half step: centers" : "Half step: responsibilities";
    amount.set(start.length);
    prior.set(sigma2);
    const logEvidence = evidenceOf();
    const found = restarts.length
      ? ` Of ${RESTARTS} random starts the best ends at ${number(Math.max(...restarts.map((r) => r.end.elbos.at(-1))))}.` : "";
    text.say(sentence(state, x.length, logEvidence) + found);
    [map, curve].forEach((picture) => picture.redraw());
    const value = state.elbos.at(-1) ?? null;
    tell(model, { m: state.m, s2: state.s2, elbo: value, gap: value === null || logEvidence === null ? null : logEvidence - value });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

/** Ranges of both axes that hold all points and the origin, with one scale for both. */
export function squareRanges(points, width, height) {
  const range = (i) => [Math.min(0, ...points.map((p) => p[i])), Math.max(0, ...points.map((p) => p[i]))];
  const [[left, right], [bottom, top]] = [range(0), range(1)];
  const unit = 1.1 * Math.max((right - left) / width, (top - bottom) / height, 1e-12);
  const around = (low, high, size) => [(low + high - unit * size) / 2, (low + high + unit * size) / 2];
  return [around(left, right, width), around(bottom, top, height)];
}

function drawMap(ctx, box, [xRange, yRange], points, state, taken, names, tone) {
  const { x, y } = axes(ctx, box, xRange, yRange, { xLabel: names[0], yLabel: names[1], tone });
  const size = points.length > 150 ? 2 : 4;
  points.forEach((p, i) => { // a pie of its responsibilities
    let from = 0;
    state.resp[i].forEach((r, k) => {
      if (r < 0.02) return;
      ctx.fillStyle = tone[INKS[k]];
      ctx.globalAlpha = 0.7;
      ctx.beginPath();
      if (r < 0.98) ctx.moveTo(x(p[0]), y(p[1]));
      ctx.arc(x(p[0]), y(p[1]), size, from, from + 2 * Math.PI * r);
      ctx.fill();
      from += 2 * Math.PI * r;
    });
  });
  ctx.globalAlpha = 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  const unit = Math.abs(x(1) - x(0));
  state.m.forEach((c, k) => {
    ctx.strokeStyle = tone.fg;
    ctx.lineWidth = 1.3;
    line(ctx, state.path.map((centers) => [x(centers[k][0]), y(centers[k][1])]));
    ctx.strokeStyle = tone[INKS[k]];
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.arc(x(c[0]), y(c[1]), 2 * Math.sqrt(state.s2[k]) * unit, 0, 2 * Math.PI);
    ctx.stroke();
    ctx.setLineDash([]);
  });
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  state.m.forEach((c, k) => {
    ctx.fillStyle = tone.bg;
    disc(ctx, x(c[0]), y(c[1]), 9.5);
    ctx.strokeStyle = tone[INKS[k]];
    ctx.lineWidth = k === taken ? 5 : 3;
    ctx.stroke();
    ctx.fillStyle = tone.fg;
    ctx.fillText(String(k + 1), x(c[0]), y(c[1]) + 0.5);
  });
  ctx.restore();
}

function drawCurve(ctx, box, state, restarts, logEvidence, tone) {
  const curves = [state.elbos, ...restarts.map((r) => r.end.elbos)].filter((c) => c.length);
  const shown = curves.flatMap((c) => c.slice(Math.min(1, c.length - 1)));
  const high = Math.max(...shown, logEvidence ?? -Infinity);
  const low = Math.min(...shown, high - 1);
  if (!shown.length) {
    axes(ctx, box, [0, 10], [0, 1], { xLabel: "half step", yLabel: "ELBO (nats)", tone, ny: 0 });
    return;
  }
  const last = Math.max(10, ...curves.map((c) => Math.min(c.length, 60)));
  const margin = 0.06 * (high - low);
  const { x, y } = axes(ctx, box, [0, last], [low - margin, high + margin], { xLabel: "half step", yLabel: "ELBO (nats)", tone });
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  if (logEvidence !== null) {
    ctx.strokeStyle = tone.orange;
    ctx.lineWidth = 1.6;
    ctx.setLineDash([6, 4]);
    line(ctx, [[box.left, y(logEvidence)], [box.right, y(logEvidence)]]);
    ctx.setLineDash([]);
  }
  const draw = (elbos) => line(ctx, elbos.map((v, i) => [x(i + 1), y(v)]));
  ctx.strokeStyle = tone.gray;
  ctx.lineWidth = 1;
  restarts.forEach((r) => draw(r.end.elbos));
  ctx.strokeStyle = ctx.fillStyle = tone.blue;
  ctx.lineWidth = 2.2;
  draw(state.elbos);
  if (state.elbos.length) disc(ctx, x(state.elbos.length), y(state.elbos.at(-1)), 4.5);
  ctx.restore();
}
