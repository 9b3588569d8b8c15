// Chapter 8: samples that move with mu, and two estimators of one derivative.
import { axes, begin, bind, canvas, colors, disc, el, key, line, menu, number, sentenceLine, slider, tell } from "./core.js";

// --- the mathematics ---------------------------------------------------------------------------

const BINS = 31;
const K = 3; // of sin(Kz)

const phi = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** The normal distribution function, by its series around 0. */
export function normalCdf(x) {
  if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
  let [term, sum] = [x, x];
  for (let n = 3; Math.abs(term) > 1e-17 * Math.abs(sum); n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return 0.5 + phi(x) * sum;
}

/**
 * By name as in reparam.py: f, its derivative, `range` of f in the left picture, and
 * exact(mu, sd) = [derivative of E f with respect to mu, variance of one score-function estimate
 * of it, variance of one pathwise estimate].
 */
export const INTEGRANDS = {
  square: {
    text: "z\u00b2",
    range: [-1.5, 9],
    f: (z) => z * z,
    slope: (z) => 2 * z,
    exact: (mu, sd) => [2 * mu, mu ** 4 / sd ** 2 + 14 * mu ** 2 + 15 * sd ** 2, 4 * sd ** 2],
  },
  sine: {
    text: "sin 3z",
    range: [-2, 1.6],
    f: (z) => Math.sin(K * z),
    slope: (z) => K * Math.cos(K * z),
    exact(mu, sd) {
      const width = K * sd;
      const exact = K * Math.cos(K * mu) * Math.exp(-(width ** 2) / 2);
      const wave = Math.cos(2 * K * mu) * Math.exp(-2 * width ** 2);
      const score = (1 - (1 - 4 * width ** 2) * wave) / (2 * sd ** 2) - exact ** 2;
      return [exact, score, (K ** 2 * (1 + wave)) / 2 - exact ** 2];
    },
  },
  exponential: {
    text: "exp z",
    range: [-1.5, 9],
    f: Math.exp,
    slope: Math.exp,
    exact(mu, sd) {
      const exact = Math.exp(mu + sd ** 2 / 2);
      const square = Math.exp(2 * mu + 2 * sd ** 2);
      return [exact, (square * (1 + 4 * sd ** 2)) / sd ** 2 - exact ** 2, square - exact ** 2];
    },
  },
  step: {
    text: "a step at 0",
    range: [-0.6, 1.4],
    f: (z) => (z > 0 ? 1 : 0),
    slope: () => 0,
    exact(mu, sd) {
      const a = mu / sd;
      const exact = phi(a) / sd;
      return [exact, (normalCdf(a) - a * phi(a)) / sd ** 2 - exact ** 2, 0];
    },
  },
};

/** Estimates of the derivative with respect to mu, one per sample: score function, pathwise. */
export function estimates({ f, slope }, mu, sd, eps) {
  const z = Array.from(eps, (e) => mu + sd * e);
  return [z.map((at, i) => (f(at) * eps[i]) / sd), z.map(slope)];
}

/** Half the width of the histograms: it holds 98 % of all estimates around the exact derivative. */
export function halfWidth(found, exact) {
  const errors = found.flat().map((x) => Math.abs(x - exact)).sort((a, b) => a - b);
  const place = 0.98 * (errors.length - 1);
  const low = Math.floor(place);
  const value = errors[low] + (place - low) * ((errors[low + 1] ?? errors[low]) - errors[low]);
  return Math.max(1e-6, value * 1.15);
}

/** Counts in BINS bins over [exact - half, exact + half]; the outer bins hold what lies beyond. */
export function histogram(row, exact, half) {
  const counts = new Array(BINS).fill(0);
  for (const x of row) {
    const place = Math.floor((((x - exact) / half + 1) / 2) * BINS);
    counts[Math.max(0, Math.min(BINS - 1, place))] += 1;
  }
  return counts;
}

/** Three significant digits, never an exponent: 87.0 is 87, 0.01234 is 0.0123. */
export function short(value) {
  const digits = value ? 2 - Math.floor(Math.log10(Math.abs(value))) : 0;
  const text = number(value, Math.min(6, Math.max(0, digits)));
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

/** The sentence under the pictures. */
function sentence([exact, score, path]) {
  const both = `Exact derivative ${short(exact)}. Variance of one estimate: score function ${short(score)}, pathwise ${short(path)}. `;
  if (path === 0) return `${both}Here f is flat at every sample: the pathwise estimate is 0, whatever the derivative.`;
  if (path < score) return `${both}The pathwise variance is ${short(score / path)} times smaller.`;
  return `${both}The score-function variance is ${short(path / score)} times smaller.`;
}

// --- the view ----------------------------------------------------------------------------------

const MEANS = [-2, 2];
const STDS = [0.1, 1.5];
const Z = [-5, 5]; // what the left picture shows
const PATHS = Array.from({ length: 9 }, (_, i) => -2 + i / 2); // the noise of the dots
const LENGTH = 0.5; // of the arrows, along z
const NAMES = ["score function", "pathwise"];
const INKS = ["orange", "blue"];

export function render(props) {
  const view = begin(props);
  const { root, model: traits, data } = view;
  const put = bind(view, ["function", "mean", "std"], changed);
  const names = Object.keys(INTEGRANDS);
  let item, mu, sd; // what is drawn

  const chosen = menu(root, { label: "f(z)", names: names.map((name) => INTEGRANDS[name].text),
    onChange: (i) => put({ function: names[i] }) });
  key(root, [["\u25cf", "blue", "samples \u03bc + \u03c3\u03b5"], ["\u2197", "fg", "the slope of f there: the pathwise estimate"]]);
  const views = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 14px" }, root);
  const half = () => el("div", { style: "flex:1 1 290px;min-width:0" }, views);
  const paths = canvas(half(), { ratio: 0.82, label: "The curve of f with samples of q on it, each with an arrow along its path",
    draw: (ctx, width, height) => drawPaths(ctx, width, height, item, mu, sd, colors(root)) });
  const bars = canvas(half(), { ratio: 0.82,
    label: "Histograms of 400 estimates of the derivative with respect to the mean: score function and pathwise",
    draw: (ctx, width, height) => drawBars(ctx, width, height, item, mu, sd, data.eps.values, colors(root)) });
  const means = slider(root, { label: "Mean of q", min: MEANS[0], max: MEANS[1], step: 0.05, wide: "15em",
    show: (v) => `mean \u03bc = ${number(v)}`, onInput: (v) => put({ mean: v }) });
  const stds = slider(root, { label: "Standard deviation of q", min: STDS[0], max: STDS[1], step: 0.05, wide: "15em",
    show: (v) => `standard deviation \u03c3 = ${number(v)}`, onInput: (v) => put({ std: v }) });
  const text = sentenceLine(root, [means.input, stds.input]);

  function changed() {
    const name = traits.get("function");
    [item, mu, sd] = [INTEGRANDS[name], traits.get("mean"), traits.get("std")];
    const values = item.exact(mu, sd);
    chosen.value = names.indexOf(name);
    means.set(mu);
    stds.set(sd);
    text.say(sentence(values));
    [paths, bars].forEach((picture) => picture.redraw());
    const [derivative, score, pathwise] = values;
    tell(traits, { derivative, score_variance: score, pathwise_variance: pathwise });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

function drawPaths(ctx, width, height, { f, slope, range }, mu, sd, tone) {
  const box = { left: 44, top: 8, right: width - 10, bottom: height - 42 };
  const { x, y } = axes(ctx, box, Z, range, { xLabel: "z", yLabel: "f(z)", tone });
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  const grid = Array.from({ length: 481 }, (_, i) => Z[0] + ((Z[1] - Z[0]) * i) / 480);
  const foot = range[0];
  const tall = 0.28 * (range[1] - range[0]);
  ctx.globalAlpha = 0.3; // q stands on the lower edge
  ctx.fillStyle = tone.blue;
  ctx.beginPath();
  ctx.moveTo(x(grid[0]), y(foot));
  for (const z of grid) ctx.lineTo(x(z), y(foot + tall * Math.exp(-((z - mu) ** 2) / (2 * sd * sd))));
  ctx.lineTo(x(grid.at(-1)), y(foot));
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = tone.gray;
  ctx.lineWidth = 2;
  line(ctx, grid.map((z) => [x(z), y(f(z))]));
  for (const e of PATHS) {
    const z = mu + sd * e;
    const from = [x(z), y(f(z))];
    const to = [x(z + LENGTH), y(f(z) + LENGTH * slope(z))];
    ctx.strokeStyle = ctx.fillStyle = tone.fg;
    arrow(ctx, from, to);
    ctx.fillStyle = tone.blue;
    disc(ctx, ...from, 4.5);
  }
  ctx.restore();
}

function arrow(ctx, [ax, ay], [bx, by]) {
  const turn = Math.atan2(by - ay, bx - ax);
  line(ctx, [[ax, ay], [bx, by]]);
  ctx.beginPath();
  ctx.moveTo(bx, by);
  for (const side of [2.7, -2.7]) ctx.lineTo(bx + 8 * Math.cos(turn + side), by + 8 * Math.sin(turn + side));
  ctx.fill();
}

function drawBars(ctx, width, height, item, mu, sd, eps, tone) {
  const [exact] = item.exact(mu, sd);
  const found = estimates(item, mu, sd, eps);
  const half = halfWidth(found, exact);
  const box = { left: 24, top: 8, right: width - 12, bottom: height - 42 };
  const { x } = axes(ctx, box, [exact - half, exact + half], [0, 1], {
    xLabel: "one estimate of \u2202E[f]/\u2202\u03bc", yLabel: "", tone, ny: 0, nx: width < 330 ? 4 : 5,
  });
  const band = (box.bottom - box.top) / 2;
  const bar = (box.right - box.left) / BINS;
  found.forEach((row, k) => {
    const base = box.top + band * (k + 1);
    const counts = histogram(row, exact, half);
    const top = Math.max(...counts);
    ctx.fillStyle = tone[INKS[k]];
    counts.forEach((c, b) => {
      const tall = ((band - 26) * c) / top;
      ctx.fillRect(box.left + b * bar + 0.5, base - tall, bar - 1, tall);
    });
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.fillText(NAMES[k], box.left + 6, base - band + 4);
    ctx.strokeStyle = tone.gray;
    ctx.lineWidth = 1;
    line(ctx, [[box.left, base], [box.right, base]]);
  });
  ctx.strokeStyle = tone.fg;
  ctx.setLineDash([3, 3]);
  line(ctx, [[x(exact), box.top], [x(exact), box.bottom]]);
  ctx.setLineDash([]);
}
