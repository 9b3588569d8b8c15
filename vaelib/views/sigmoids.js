// Chapter 2: a sum of sigmoids that climbs along a function, and its largest error.
import {
  axes, begin, bind, canvas, choice, colors, disc, key, line, menu, number, scale, sentenceLine, tell, thousands,
} from "./core.js";

// --- the mathematics ---------------------------------------------------------------------------

const GRID_PER_STEP = 16; // as in vaelib/sigmoids.py
const linear = (slope) => (h) => slope * h;

/** The functions of vaelib/sigmoids.py; a continuous one with its concave modulus of continuity. */
export const CURVES = {
  wave: {
    name: "a wave", modulus: linear(4.5 * Math.PI),
    f: (x) => Math.sin(2 * Math.PI * x) + 0.5 * Math.cos(5 * Math.PI * x),
  },
  tent: { name: "a tent", modulus: linear(3), f: (x) => Math.min(3 * x, 1.5 * (1 - x)) },
  root: { name: "a square root", modulus: Math.sqrt, f: Math.sqrt },
  step: { name: "a jump", modulus: null, jump: 0.5, f: (x) => (x > 0.5 ? 1 : x < 0.5 ? 0 : 0.5) },
};

export const sigmoid = (u) => 1 / (1 + Math.exp(-u));

/** Weights, biases and heights of the sum: the constant f(0) and one sigmoid per step. */
export function staircase(f, n, sharpness) {
  const units = [{ w: 0, b: 0, alpha: 2 * f(0) }];
  for (let j = 1; j <= n; j++) {
    units.push({ w: sharpness * n, b: -sharpness * (j - 0.5), alpha: f(j / n) - f((j - 1) / n) });
  }
  return units;
}

export const one = ({ w, b, alpha }, x) => alpha * sigmoid(w * x + b);

export function sum(units, x) {
  let total = 0;
  for (const unit of units) total += one(unit, x);
  return total;
}

/** The largest |f - sum| on a grid, and on both sides of a jump. */
export function largestError(curve, n, sharpness) {
  const units = staircase(curve.f, n, sharpness);
  let largest = 0;
  for (let i = 0; i <= GRID_PER_STEP * n; i++) {
    const x = i / (GRID_PER_STEP * n);
    largest = Math.max(largest, Math.abs(sum(units, x) - curve.f(x)));
  }
  if (curve.jump === undefined) return largest;
  const there = sum(units, curve.jump);
  return Math.max(largest, Math.abs(there), Math.abs(1 - there));
}

/** An upper bound on the error everywhere; null for a function with a jump. */
export function provenBound(curve, n, sharpness) {
  return curve.modulus && curve.modulus((0.5 + (2 * Math.LN2) / sharpness) / n);
}

const counted = (n) => `${thousands(n)} ${n === 1 ? "step" : "steps"}`;

/** The sentence under the pictures. */
export function sentence(n, error, bound) {
  const proven = bound === null
    ? "no continuous function comes closer to a jump of 1 than 0.5"
    : `proven to be at most ${number(bound, 4)}`;
  return `${counted(n)}: largest error ${number(error, 4)}, ${proven}.`;
}

// --- the view ----------------------------------------------------------------------------------

export function render(props) {
  const view = begin(props);
  const { root, model, data: { steps, sharpnesses } } = view;
  const put = bind(view, ["curve", "n_steps", "sharpness"], changed);
  const keys = Object.keys(CURVES);
  const ratio = (width) => (width < 480 ? 0.72 : 0.42);
  let curve, n, sharpness; // what is drawn
  let errors = []; // the largest error for each number of steps

  const chosen = menu(root, { label: "Function", names: keys.map((k) => CURVES[k].name),
    onChange: (i) => put({ curve: keys[i] }) });
  key(root, [["\u2012 \u2012", "fg", "the function"], ["\u2501\u2501", "blue", "the sum"],
    ["\u2500", "gray", "its single steps"]]);
  const upper = canvas(root, { ratio, label: "The function, the sum of sigmoids and the single sigmoids",
    draw: (ctx, width, height) => drawSum(ctx, width, height, curve, n, sharpness, colors(root)) });
  const lower = canvas(root, { ratio,
    label: "The largest error against the number of steps, on logarithmic axes, under its proven bound",
    draw: (ctx, width, height) => drawErrors(ctx, width, height, curve, steps, errors, n, sharpness, colors(root)) });
  key(root, [["\u25cf", "blue", "largest error (large dot: this sum)"],
    ["\u2012 \u2012", "orange", "proven bound; for a jump, the \u00bd that remains"]]);
  const count = choice(root, { values: steps, label: "Number of steps",
    show: (m) => `${counted(m)} and a constant`, onChange: (m) => put({ n_steps: m }) });
  const sharp = choice(root, { values: sharpnesses, label: "Sharpness of the steps",
    show: (s) => `Sharpness ${s}`, onChange: (s) => put({ sharpness: s }) });
  const text = sentenceLine(root);

  function changed() {
    const before = [curve, sharpness];
    [curve, n, sharpness] = [CURVES[model.get("curve")], model.get("n_steps"), model.get("sharpness")];
    if (before[0] !== curve || before[1] !== sharpness) errors = steps.map((m) => largestError(curve, m, sharpness));
    chosen.value = keys.indexOf(model.get("curve"));
    count.set(n);
    sharp.set(sharpness);
    const [error, bound] = [errors[steps.indexOf(n)], provenBound(curve, n, sharpness)];
    text.say(sentence(n, error, bound));
    [upper, lower].forEach((picture) => picture.redraw());
    tell(model, { error, bound });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

function drawSum(ctx, width, height, curve, n, sharpness, tone) {
  const box = { left: 50, top: 8, right: width - 12, bottom: height - 42 };
  const units = staircase(curve.f, n, sharpness);
  const places = Array.from({ length: 401 }, (_, i) => i / 400);
  const values = (f) => places.map((x) => [x, f(x)]);
  const single = units.slice(1).map((unit) => values((x) => one(unit, x)));
  const truth = values(curve.f);
  const total = values((x) => sum(units, x));
  let [low, high] = [Infinity, -Infinity];
  for (const points of [truth, total, ...single]) {
    for (const [, v] of points) [low, high] = [Math.min(low, v), Math.max(high, v)];
  }
  const margin = 0.06 * (high - low);
  const { x, y } = axes(ctx, box, [0, 1], [low - margin, high + margin], { xLabel: "x", yLabel: "value", tone });
  const stroke = (points) => line(ctx, points.map(([px, py]) => [x(px), y(py)]));
  ctx.strokeStyle = tone.gray;
  ctx.globalAlpha = n > 32 ? 0.45 : 0.9;
  single.forEach(stroke);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = tone.blue;
  ctx.lineWidth = 2.4;
  stroke(total);
  ctx.strokeStyle = tone.fg;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([6, 4]);
  stroke(truth);
  ctx.setLineDash([]);
}

function drawErrors(ctx, width, height, curve, counts, errors, n, sharpness, tone) {
  const box = { left: 62, top: 8, right: width - 12, bottom: height - 42 };
  const bounds = counts.map((m) => provenBound(curve, m, sharpness) ?? 0.5);
  const range = [Math.log(Math.min(...errors, 0.01) / 1.3), Math.log(1.3 * Math.max(...errors, ...bounds, 1))];
  axes(ctx, box, [0, 1], [0, 1], { xLabel: "number of steps", yLabel: "largest error", tone, nx: 0, ny: 0 });
  const [logX, logY] = [scale([0, Math.log(counts.at(-1))], [box.left, box.right]), scale(range, [box.bottom, box.top])];
  const [x, y] = [(v) => logX(Math.log(v)), (v) => logY(Math.log(v))];
  ctx.lineWidth = 1;
  ctx.strokeStyle = tone.line;
  ctx.fillStyle = tone.muted;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  for (let p = -6; p <= 2; p++) {
    const v = 10 ** p;
    if (y(v) > box.bottom || y(v) < box.top) continue;
    line(ctx, [[box.left, y(v)], [box.right, y(v)]]);
    ctx.fillText(p < 0 ? v.toFixed(-p) : thousands(v), box.left - 6, y(v));
  }
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (let v = 1; v <= counts.at(-1); v *= 4) {
    line(ctx, [[x(v), box.top], [x(v), box.bottom]]);
    ctx.fillText(thousands(v), x(v), box.bottom + 5);
  }
  ctx.lineWidth = 2;
  ctx.strokeStyle = tone.orange;
  ctx.setLineDash([6, 4]);
  line(ctx, counts.map((m, i) => [x(m), y(bounds[i])]));
  ctx.setLineDash([]);
  ctx.strokeStyle = ctx.fillStyle = tone.blue;
  line(ctx, counts.map((m, i) => [x(m), y(errors[i])]));
  counts.forEach((m, i) => disc(ctx, x(m), y(errors[i]), m === n ? 6.5 : 2.6));
}
