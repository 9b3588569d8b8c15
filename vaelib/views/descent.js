// Chapter 2: gradient descent on a bowl, and on a small network that fits a curve.
import {
  axes, begin, bind, canvas, choice, colors, disc, el, key, line, menu, number, scale, sentenceLine, steer, tell, thousands,
} from "./core.js";

// --- the mathematics ---------------------------------------------------------------------------

export const TURN = 0.5; // radians by which the axes of the bowl are turned, as in the chapter

/** The gradient of 1/2 w'Hw; H has these curvatures along its turned axes. */
export function bowlGradient([c0, c1], [x, y]) {
  const [c, s] = [Math.cos(TURN), Math.sin(TURN)];
  const [u, v] = [c0 * (c * x + s * y), c1 * (c * y - s * x)];
  return [c * u - s * v, s * u + c * v];
}

export function bowlLoss(curvatures, w) {
  const g = bowlGradient(curvatures, w);
  return 0.5 * (g[0] * w[0] + g[1] * w[1]);
}

/** All places from the start on, steps + 1 of them. */
export function bowlPath(curvatures, start, rate, steps) {
  const path = [start];
  for (let t = 0; t < steps; t++) {
    const w = path.at(-1);
    const g = bowlGradient(curvatures, w);
    path.push([w[0] - rate * g[0], w[1] - rate * g[1]]);
  }
  return path;
}

/** How a rate behaves in the long run on a bowl: by its share of 2 / (largest curvature). */
export function regime(curvatures, rate) {
  const share = (rate * Math.max(...curvatures)) / 2;
  if (share >= 1) return "diverging";
  if (share > 0.5) return "oscillating";
  return share < 0.2 ? "slow" : "good";
}

export const TARGETS = {
  sine: { name: "a sine", f: (x) => Math.sin(Math.PI * x) },
  step: { name: "a jump", f: (x) => (x > 0 ? 0.8 : -0.8) },
  bump: { name: "a bump", f: (x) => Math.exp(-8 * x * x) },
};
export const INPUTS = Array.from({ length: 41 }, (_, i) => (i - 20) / 20);
const TANH = { f: Math.tanh, slope: (a) => 1 - a * a };
const SIGMOID = { f: (u) => 1 / (1 + Math.exp(-u)), slope: (a) => a * (1 - a) };
const activation = (name) => (name === "tanh" ? TANH : SIGMOID);

/** Standard normal numbers from a seed (Mulberry32, then Box and Muller). */
export function normals(seed, count) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return Array.from({ length: count }, () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

/** Weights of a network 1-H-1 in one list: w1 (H), b1 (H), w2 (H), b2. */
export function initial(hidden, seed) {
  const z = normals(seed, 3 * hidden);
  return [...z.slice(0, hidden).map((v) => 2 * v), ...z.slice(hidden, 2 * hidden),
    ...z.slice(2 * hidden).map((v) => v / Math.sqrt(hidden)), 0];
}

export function output(weights, name, x) {
  const [n, { f }] = [(weights.length - 1) / 3, activation(name)];
  let y = weights[3 * n];
  for (let i = 0; i < n; i++) y += weights[2 * n + i] * f(weights[i] * x + weights[n + i]);
  return y;
}

/** Half the mean squared error over INPUTS, and its gradient by backpropagation: {loss, gradient}. */
export function backpropagate(weights, name, targets) {
  const [n, { f, slope }] = [(weights.length - 1) / 3, activation(name)];
  const gradient = new Array(weights.length).fill(0);
  const a = new Array(n);
  let loss = 0;
  INPUTS.forEach((x, k) => {
    let y = weights[3 * n];
    for (let i = 0; i < n; i++) {
      a[i] = f(weights[i] * x + weights[n + i]);
      y += weights[2 * n + i] * a[i];
    }
    const off = y - targets[k];
    loss += (off * off) / (2 * INPUTS.length);
    const delta2 = off / INPUTS.length;
    gradient[3 * n] += delta2;
    for (let i = 0; i < n; i++) {
      gradient[2 * n + i] += delta2 * a[i];
      const delta1 = delta2 * weights[2 * n + i] * slope(a[i]);
      gradient[i] += delta1 * x;
      gradient[n + i] += delta1;
    }
  });
  return { loss, gradient };
}

/** Weights and losses after more steps, for a run {weights, losses} that stands before them. */
export function train(run, name, targets, rate, steps) {
  let { weights } = run;
  const losses = [...run.losses];
  for (let t = 0; t < steps; t++) {
    const { loss, gradient } = backpropagate(weights, name, targets);
    losses.push(loss);
    weights = weights.map((w, i) => w - rate * gradient[i]);
  }
  return { weights, losses };
}

const WORDS = {
  slow: "slow: the steps are safe and small",
  good: "good: no direction overshoots",
  oscillating: "oscillating: the steep direction overshoots, and still converges",
  diverging: "diverging: each step along the steep direction is larger than the one before",
};
const shown = (loss) => (Number.isFinite(loss) && loss < 1e6 ? number(loss, loss < 0.01 ? 5 : 3) : "out of sight");

/** The sentence under the pictures. */
export function sentence(scene, { rate, steps, loss, curvatures }) {
  const done = `${thousands(steps)} ${steps === 1 ? "step" : "steps"} at rate ${rate}: cost ${shown(loss)}.`;
  if (scene === "network") return done;
  const limit = 2 / Math.max(...curvatures);
  return `${done} The rate is ${Math.round((100 * rate) / limit)} % of the limit ${number(limit, 2)}, `
    + `${WORDS[regime(curvatures, rate)]}.`;
}

// --- the view ----------------------------------------------------------------------------------

const EXTENT = 3; // of the plane of the bowl
const MOST = 3000; // steps
const SCENES = ["bowl", "network"];

export function render(props) {
  const view = begin(props);
  const { root, model, onEnd, data: { rates, widths, curvatures } } = view;
  const names = ["scene", "rate", "steps", "start", "hidden", "activation", "target", "seed"];
  const put = bind(view, names, changed);
  const again = (values) => { pause(); put({ ...values, steps: 0 }); };
  const keys = Object.keys(TARGETS);
  let run = null; // of the network: the settings it belongs to, its weights and losses
  let clock = null;
  let path, losses, loss;

  const scene = menu(root, { label: "Descend", names: ["a bowl", "the cost of a small network"],
    onChange: (i) => again({ scene: SCENES[i], rate: i ? 0.5 : 0.15 }) });
  const target = menu(root, { label: "Curve to fit", names: keys.map((k) => TARGETS[k].name),
    onChange: (i) => again({ target: keys[i] }) });
  const frame = el("div", { tabindex: 0, role: "application",
    "aria-label": "Start of the descent: drag it, or move it with the arrow keys" }, root);
  const box = (width, height) => ({ left: 46, top: 8, right: width - 12, bottom: height - 40 });
  const ratio = (width) => (width < 480 ? 0.8 : 0.5);
  const upper = canvas(frame, { ratio, label: "The bowl with the path of the descent, or the curve and the network",
    draw: (ctx, width, height) => (model.get("scene") === "bowl"
      ? drawBowl(ctx, box(width, height), curvatures, path, colors(root))
      : drawFit(ctx, box(width, height), run, model.get("activation"), model.get("target"), colors(root))) });
  steer(frame, upper.node, { box, extent: EXTENT, at: () => model.get("start"), move: (x, y) => {
    if (model.get("scene") !== "bowl") return;
    const clamp = (v) => Math.round(100 * Math.max(-EXTENT, Math.min(EXTENT, v))) / 100;
    again({ start: [clamp(x), clamp(y)] });
  } });
  key(root, [["\u25cf", "blue", "path, or the network"], ["\u2012 \u2012", "fg", "level lines, or the curve"]]);
  const lower = canvas(root, { ratio: (width) => (width < 480 ? 0.5 : 0.26), label: "The cost after each step, on a logarithmic axis",
    draw: (ctx, width, height) => drawLosses(ctx, { left: 62, top: 8, right: width - 12, bottom: height - 40 }, losses, colors(root)) });
  const speed = choice(root, { values: rates, label: "Learning rate", show: (r) => `Learning rate ${r}`,
    onChange: (rate) => again({ rate }) });
  const width = choice(root, { values: widths, label: "Hidden units", show: (h) => `${h} hidden units`,
    onChange: (hidden) => again({ hidden }) });
  const bar = el("div", { class: "vw-bar", style: "flex-wrap:wrap" }, root);
  const button = (text, act) => {
    const node = el("button", { type: "button", text }, bar);
    node.addEventListener("click", act);
    return node;
  };
  const stride = () => (model.get("scene") === "bowl" ? 1 : 10);
  const step = () => put({ steps: Math.min(MOST, model.get("steps") + stride()) });
  const play = button("\u25b6 Play", () => (clock ? pause() : start()));
  play.classList.add("vw-play");
  button("Step", () => { pause(); step(); });
  button("Reset", () => again({}));
  button("Other weights", () => again({ seed: model.get("seed") + 1 })).dataset.scene = "network";
  const text = sentenceLine(root);
  onEnd(pause);

  function start() {
    play.textContent = "\u275a\u275a Pause";
    text.hush(true);
    clock = setInterval(() => {
      if (model.get("steps") >= MOST || !Number.isFinite(loss)) pause(); else step();
    }, model.get("scene") === "bowl" ? 160 : 33);
  }

  function pause() {
    clearInterval(clock);
    clock = null;
    play.textContent = "\u25b6 Play";
    text.hush(false);
  }

  function advance() { // only what is new is computed
    const [rate, steps] = [model.get("rate"), model.get("steps")];
    const settings = JSON.stringify(["rate", "hidden", "activation", "target", "seed"].map((n) => model.get(n)));
    const values = INPUTS.map(TARGETS[model.get("target")].f);
    const name = model.get("activation");
    if (!run || run.settings !== settings || run.losses.length > steps) {
      run = { settings, weights: initial(model.get("hidden"), model.get("seed")), losses: [] };
    }
    run = { settings, ...train(run, name, values, rate, steps - run.losses.length) };
    losses = [...run.losses, backpropagate(run.weights, name, values).loss];
  }

  function changed() {
    const [now, rate, steps] = [model.get("scene"), model.get("rate"), model.get("steps")];
    const onBowl = now === "bowl";
    if (onBowl) {
      path = bowlPath(curvatures, model.get("start"), rate, steps);
      losses = path.map((w) => bowlLoss(curvatures, w));
    } else advance();
    loss = losses.at(-1);
    scene.value = SCENES.indexOf(now);
    target.value = keys.indexOf(model.get("target"));
    speed.set(rate);
    width.set(model.get("hidden"));
    for (const node of [target.closest(".vw-bar"), width.input.closest(".vw-bar"), bar.querySelector("[data-scene]")]) {
      node.hidden = onBowl;
      node.style.display = onBowl ? "none" : "";
    }
    text.say(sentence(now, { rate, steps, loss, curvatures }));
    [upper, lower].forEach((picture) => picture.redraw());
    tell(model, { loss: Number.isFinite(loss) ? loss : null });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

function drawBowl(ctx, box, curvatures, path, tone) {
  const range = [-EXTENT, EXTENT];
  const { x, y } = axes(ctx, box, range, range, { xLabel: "w\u2081", yLabel: "w\u2082", tone });
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  ctx.strokeStyle = tone.gray;
  ctx.setLineDash([5, 4]);
  const [c, s] = [Math.cos(TURN), Math.sin(TURN)];
  for (const level of [0.05, 0.3, 1, 2.5, 5, 10, 20, 40]) {
    const [r0, r1] = curvatures.map((curvature) => Math.sqrt((2 * level) / curvature));
    line(ctx, Array.from({ length: 97 }, (_, i) => {
      const [u, v] = [r0 * Math.cos((i * Math.PI) / 48), r1 * Math.sin((i * Math.PI) / 48)];
      return [x(c * u - s * v), y(s * u + c * v)];
    }));
  }
  ctx.setLineDash([]);
  ctx.strokeStyle = ctx.fillStyle = tone.blue;
  ctx.lineWidth = 1.6;
  const near = path.filter((w) => Math.hypot(...w) < 100);
  line(ctx, near.map((w) => [x(w[0]), y(w[1])]));
  for (const w of near) disc(ctx, x(w[0]), y(w[1]), 2.6);
  ctx.fillStyle = tone.orange;
  disc(ctx, x(path[0][0]), y(path[0][1]), 6.5);
  ctx.restore();
}

function drawFit(ctx, box, run, name, target, tone) {
  const { x, y } = axes(ctx, box, [-1, 1], [-1.5, 1.5], { xLabel: "x", yLabel: "value", tone });
  const places = Array.from({ length: 201 }, (_, i) => (i - 100) / 100);
  const inside = (v) => Math.max(-1.6, Math.min(1.6, v));
  ctx.strokeStyle = tone.fg;
  ctx.setLineDash([6, 4]);
  line(ctx, places.map((p) => [x(p), y(TARGETS[target].f(p))]));
  ctx.setLineDash([]);
  ctx.strokeStyle = tone.blue;
  ctx.lineWidth = 2.2;
  const values = places.map((p) => output(run.weights, name, p));
  if (values.every(Number.isFinite)) line(ctx, places.map((p, i) => [x(p), y(inside(values[i]))]));
}

function drawLosses(ctx, box, losses, tone) {
  const seen = losses.map((v) => Math.log10(Math.max(v, 1e-12))).filter((v) => Number.isFinite(v) && v < 8);
  const [low, high] = [Math.floor(Math.min(-1, ...seen)), Math.ceil(Math.max(0, ...seen))];
  const last = Math.max(10, losses.length - 1);
  axes(ctx, box, [0, last], [low, high], { xLabel: "steps", yLabel: "cost", tone, ny: 0 });
  const [x, y] = [scale([0, last], [box.left, box.right]), scale([low, high], [box.bottom, box.top])];
  ctx.fillStyle = tone.muted;
  ctx.strokeStyle = tone.line;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (let p = low; p <= high; p += Math.max(1, Math.round((high - low) / 4))) {
    ctx.fillText(p < 0 ? (10 ** p).toFixed(Math.min(8, -p)) : thousands(10 ** p), box.left - 6, y(p));
    line(ctx, [[box.left, y(p)], [box.right, y(p)]]);
  }
  ctx.strokeStyle = ctx.fillStyle = tone.blue;
  ctx.lineWidth = 2;
  line(ctx, seen.map((v, i) => [x(i), y(v)]));
  if (seen.length) disc(ctx, x(seen.length - 1), y(seen.at(-1)), 4);
}
