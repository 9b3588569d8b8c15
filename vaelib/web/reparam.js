// Chapter 8: samples that move with mu, and two estimators of one derivative.
import { axes, canvas, choice, colors, disc, el, line, menu, number } from "./core.js";

const INKS = ["orange", "blue"];
const BINS = 31;
const WAVES = 3;
const STEP = 0.5; // length of the arrows along z

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

/** f, its derivative, and [exact derivative of E f by mu, variances of both], as in reparam.py. */
export const INTEGRANDS = [
  {
    f: (z) => z * z,
    slope: (z) => 2 * z,
    exact: (mu, sd) => [2 * mu, mu ** 4 / sd ** 2 + 14 * mu ** 2 + 15 * sd ** 2, 4 * sd ** 2],
  },
  {
    f: (z) => Math.sin(WAVES * z),
    slope: (z) => WAVES * Math.cos(WAVES * z),
    exact(mu, sd) {
      const width = WAVES * sd;
      const exact = WAVES * Math.cos(WAVES * mu) * Math.exp(-(width ** 2) / 2);
      const wave = Math.cos(2 * WAVES * mu) * Math.exp(-2 * width ** 2);
      const score = (1 - (1 - 4 * width ** 2) * wave) / (2 * sd ** 2) - exact ** 2;
      return [exact, score, (WAVES ** 2 * (1 + wave)) / 2 - exact ** 2];
    },
  },
  {
    f: Math.exp,
    slope: Math.exp,
    exact(mu, sd) {
      const exact = Math.exp(mu + sd ** 2 / 2);
      const square = Math.exp(2 * mu + 2 * sd ** 2);
      return [exact, (square * (1 + 4 * sd ** 2)) / sd ** 2 - exact ** 2, square - exact ** 2];
    },
  },
  {
    f: (z) => (z > 0 ? 1 : 0),
    slope: () => 0,
    exact(mu, sd) {
      const a = mu / sd;
      const exact = phi(a) / sd;
      return [exact, (normalCdf(a) - a * phi(a)) / sd ** 2 - exact ** 2, 0];
    },
  },
];

/** Estimates of the derivative by mu, one a sample: score function, pathwise. */
export function estimates(item, mu, sd, eps) {
  const z = Array.from(eps, (e) => mu + sd * e);
  return [z.map((at, i) => (item.f(at) * eps[i]) / sd), z.map(item.slope)];
}

/** Half the width of the histograms: what holds 98 % of all estimates around the exact one. */
export function reach(found, exact) {
  const off = found.flat().map((x) => Math.abs(x - exact)).sort((a, b) => a - b);
  const place = 0.98 * (off.length - 1);
  const low = Math.floor(place);
  const value = off[low] + (place - low) * ((off[low + 1] ?? off[low]) - off[low]);
  return Math.max(1e-6, value * 1.15);
}

/** Counts in BINS bins over [exact - half, exact + half]; the ends collect. */
export function histogram(row, exact, half) {
  const counts = new Array(BINS).fill(0);
  for (const x of row) {
    const place = Math.floor((((x - exact) / half + 1) / 2) * BINS);
    counts[Math.max(0, Math.min(BINS - 1, place))] += 1;
  }
  return counts;
}

/** Three digits that count, never an exponent. */
export function short(value) {
  const digits = value ? 2 - Math.floor(Math.log10(Math.abs(value))) : 0;
  const text = number(value * (1 + 1e-12), Math.min(6, Math.max(0, digits)));
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

/** The sentence under the pictures. */
export function sentence(item, names, mu, sd) {
  const [exact, score, path] = item.exact(mu, sd);
  const said = `Exact derivative ${short(exact)}. Variance of one estimate: ${names[0]} ${short(score)}, ${names[1]} ${short(path)}. `;
  if (path === 0) return `${said}Every path is flat: pathwise says 0, whatever the truth.`;
  if (path < score) return `${said}Pathwise has ${short(score / path)} times less.`;
  return `${said}The score function has ${short(path / score)} times less.`;
}

export function mount(root, data) {
  const state = { which: 0 };
  menu(root, { label: "f(z)", names: data.names, onChange: (i) => { state.which = i; again(); } });
  const row = el("div", { style: "display:flex;flex-wrap:wrap;gap:2px 18px;margin-bottom:6px" }, root);
  for (const [mark, ink, text] of [["\u25cf", "blue", "samples \u03bc + \u03c3\u03b5"], ["\u2197", "orange", "the slope they meet when \u03bc grows: their estimate"]]) {
    const item = el("span", {}, row);
    el("b", { "aria-hidden": "true", style: `color:var(--vw-${ink})`, text: `${mark} ` }, item);
    item.append(text);
  }
  const views = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 14px" }, root);
  const half = () => el("div", { style: "flex:1 1 290px;min-width:0" }, views);
  const paths = canvas(half(), {
    ratio: 0.82,
    label: "The curve of f with samples of q on it, each with an arrow along its path",
    draw: (ctx, width, height) => drawPaths(ctx, width, height, data, state, colors(root)),
  });
  const bars = canvas(half(), {
    ratio: 0.82,
    label: "Histograms of 400 estimates of the derivative by the mean: score function and pathwise",
    draw: (ctx, width, height) => drawBars(ctx, width, height, data, state, colors(root)),
  });
  const mean = choice(root, {
    values: data.mus, start: 1, label: "Mean of q", onChange: () => again(), show: (v) => `mean \u03bc = ${number(v, 2)}`,
  });
  const spread = choice(root, {
    values: data.sds, start: 0.75, label: "Standard deviation of q", onChange: () => again(),
    show: (v) => `standard deviation \u03c3 = ${number(v, 2)}`,
  });
  const text = el("p", { class: "vw-text", "aria-live": "polite" }, root);
  function again() {
    Object.assign(state, { mu: mean.value(), sd: spread.value(), item: INTEGRANDS[state.which] });
    text.textContent = sentence(state.item, data.estimators, state.mu, state.sd);
    paths.redraw();
    bars.redraw();
  }
  again();
}

function drawPaths(ctx, width, height, data, { which, item, mu, sd }, tone) {
  if (!item) return;
  const range = data.ranges[which];
  const box = { left: 44, top: 8, right: width - 10, bottom: height - 42 };
  const { x, y } = axes(ctx, box, data.z, range, { xLabel: "z", yLabel: "f(z)", tone });
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  const grid = Array.from({ length: 481 }, (_, i) => data.z[0] + ((data.z[1] - data.z[0]) * i) / 480);
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
  line(ctx, grid.map((z) => [x(z), y(item.f(z))]));
  for (const e of data.paths) {
    const z = mu + sd * e;
    const from = [x(z), y(item.f(z))];
    const to = [x(z + STEP), y(item.f(z) + STEP * item.slope(z))];
    ctx.strokeStyle = ctx.fillStyle = tone.orange;
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

function drawBars(ctx, width, height, data, { item, mu, sd }, tone) {
  if (!item) return;
  const [exact] = item.exact(mu, sd);
  const found = estimates(item, mu, sd, data.eps.values);
  const half = reach(found, exact);
  const box = { left: 24, top: 8, right: width - 12, bottom: height - 42 };
  const { x } = axes(ctx, box, [exact - half, exact + half], [0, 1], {
    xLabel: "one estimate of the derivative by \u03bc", yLabel: "", tone, ny: 0, nx: width < 330 ? 4 : 5,
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
    ctx.fillText(data.estimators[k], box.left + 6, base - band + 4);
    ctx.strokeStyle = tone.gray;
    ctx.lineWidth = 1;
    line(ctx, [[box.left, base], [box.right, base]]);
  });
  ctx.strokeStyle = tone.fg;
  ctx.setLineDash([3, 3]);
  line(ctx, [[x(exact), box.top], [x(exact), box.bottom]]);
  ctx.setLineDash([]);
}
