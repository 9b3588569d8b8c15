// Chapter 6: three gradient estimators climb one hill with the same noise.
import { axes, canvas, choice, colors, disc, el, line, menu, number, stepper } from "./core.js";

const INKS = ["orange", "green", "blue"];
const DASHES = [[2, 3], [8, 4], []];
const GONE = 1e3;
const BINS = 31;

/** log(e^a + e^b). */
const logAddExp = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

/** f and its derivative for each hill, in the order of search.py. */
export const HILLS = [
  { f: (z) => -((z - 2) ** 2) / 2, slope: (z) => 2 - z },
  { f: (z) => logAddExp(-((z + 2.5) ** 2) / 2, -((z - 2.5) ** 2) / 2), slope: (z) => -z + 2.5 * Math.tanh(2.5 * z) },
  { f: (z) => -(z ** 2) / 8 + 1.5 * Math.cos(4 * z), slope: (z) => -z / 4 - 6 * Math.sin(4 * z) },
  { f: (z) => -(z ** 4), slope: (z) => -4 * z ** 3 },
];

const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** E_q[f] + the entropy of q, in nats. */
export function elbo(hill, [mu, logvar], { nodes, weights }) {
  const std = Math.exp(logvar / 2);
  const fit = nodes.reduce((sum, node, i) => sum + weights[i] * hill.f(mu + std * node), 0);
  return fit + 0.5 * (logvar + Math.log(2 * Math.PI * Math.E));
}

/** The derivative of the ELBO by mu. */
export function exactSlope(hill, [mu, logvar], { nodes, weights }) {
  const std = Math.exp(logvar / 2);
  return nodes.reduce((sum, node, i) => sum + weights[i] * hill.slope(mu + std * node), 0);
}

/** Estimated derivatives by mu and logvar from the noise of one step. */
export function estimate(hill, climber, [mu, logvar], eps) {
  const std = Math.exp(logvar / 2);
  if (climber === 2) {
    const slopes = eps.map((e) => hill.slope(mu + std * e));
    return [mean(slopes), 0.5 + mean(slopes.map((s, i) => 0.5 * std * eps[i] * s))];
  }
  const base = climber === 1 ? hill.f(mu) : 0; // a baseline that no draw has touched
  const values = eps.map((e) => hill.f(mu + std * e) - base);
  const byLogvar = values.map((f, i) => 0.5 * f * (eps[i] ** 2 - 1));
  return [mean(values.map((f, i) => f * eps[i])) / std, 0.5 + mean(byLogvar)];
}

/** The first `count` numbers of each row of an array (rows, width). */
export function rows({ values, shape: [n, width] }, count) {
  return Array.from({ length: n }, (_, t) => Array.from(values.subarray(t * width, t * width + count)));
}

/** Where each climber is after every step; null: gone. */
export function race(hill, sizes, noise, start) {
  return [0, 1, 2].map((climber) => {
    const way = [start];
    let at = start;
    noise.forEach((eps, t) => {
      if (at) {
        const xi = estimate(hill, climber, at, eps);
        at = [at[0] + sizes[t] * xi[0], at[1] + sizes[t] * xi[1]];
        if (!(Math.abs(at[0]) < GONE && Math.abs(at[1]) < 20)) at = null;
      }
      way.push(at);
    });
    return way;
  });
}

/** Errors of estimates of the derivative by mu in 31 bins over [-half, half]; the ends collect. */
export function histogram(hill, climber, at, probes, half, quadrature) {
  const exact = exactSlope(hill, at, quadrature);
  const counts = new Array(BINS).fill(0);
  for (const eps of probes) {
    const off = (estimate(hill, climber, at, eps)[0] - exact) / half;
    counts[Math.max(0, Math.min(BINS - 1, Math.floor(((off + 1) / 2) * BINS)))] += 1;
  }
  return counts;
}

/** Half the width of the histograms: three sd of the score function's estimates at the start. */
export function reach(hill, probes, start) {
  const found = probes.map((eps) => estimate(hill, 0, start, eps)[0]);
  const middle = mean(found);
  return 3 * Math.sqrt(mean(found.map((x) => (x - middle) ** 2)));
}

/** The sentence under the pictures. */
export function sentence(hill, climbers, ways, sizes, step, quadrature) {
  const when = step ? `Step ${step} of ${sizes.length}, ${number(sizes[step - 1], 4)} long` : "At the start";
  const scores = climbers.map((name, k) => {
    const at = ways[k][step];
    return `${name} ${at ? number(elbo(hill, at, quadrature), 2) : "gone"}`;
  });
  return `${when}. ELBO: ${scores.join(", ")}.`;
}

export function mount(root, data) {
  const quadrature = { nodes: data.nodes, weights: data.weights };
  const state = { hill: 0, rule: 0, step: 0 };
  const bar = el("div", { style: "display:flex;flex-wrap:wrap;gap:0 18px" }, root);
  menu(bar, { label: "Hill", names: data.hills, onChange: (i) => { state.hill = i; again(); } });
  menu(bar, { label: "Steps", names: data.rules.map((rule) => rule.name), onChange: (i) => { state.rule = i; again(); } });
  legend(root, data.climbers);
  const views = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 14px" }, root);
  const half = () => el("div", { style: "flex:1 1 290px;min-width:0" }, views);
  const map = canvas(half(), {
    ratio: 0.86,
    label: "Map of the ELBO over the mean and standard deviation of q, with the ways of three climbers",
    draw: (ctx, width, height) => drawMap(ctx, width, height, data, state, colors(root)),
  });
  const bars = canvas(half(), {
    ratio: 0.86,
    label: "Histograms of the errors of the estimated derivative by mu, one for each climber",
    draw: (ctx, width, height) => drawBars(ctx, width, height, data, state, quadrature, colors(root)),
  });
  const samples = choice(root, {
    values: data.counts, start: 5, label: "Samples of a step", onChange: () => again(),
    show: (n) => `${n} sample${n === 1 ? "" : "s"} a step`,
  });
  let holder = null;
  function again() {
    const count = samples.value();
    state.sizes = data.rules[state.rule].sizes;
    state.shape = HILLS[state.hill];
    state.probes = rows(data.probes, count);
    state.half = reach(state.shape, state.probes, data.start);
    state.ways = race(state.shape, state.sizes, rows(data.noise, count), data.start);
    if (holder) holder.remove(); // a race that is playing notices that it is gone
    holder = el("div", {}, root);
    stepper(holder, {
      n: state.sizes.length + 1,
      label: "Step",
      milliseconds: 120,
      onStep(t) {
        state.step = t;
        map.redraw();
        bars.redraw();
        return sentence(state.shape, data.climbers, state.ways, state.sizes, t, quadrature);
      },
    });
  }
  again();
}

/** What each line means, with the dashes of the lines themselves. */
function legend(root, names) {
  const row = el("div", { style: "display:flex;flex-wrap:wrap;gap:2px 18px;margin-bottom:6px" }, root);
  const strokes = ["dotted", "dashed", "solid"];
  names.forEach((name, k) => {
    const item = el("span", {}, row);
    el("b", {
      "aria-hidden": "true",
      style: `display:inline-block;width:26px;margin-right:6px;vertical-align:middle;border-top:3px ${strokes[k]} var(--vw-${INKS[k]})`,
    }, item);
    item.append(name);
  });
}

function drawMap(ctx, width, height, data, { hill, step, ways }, tone) {
  if (!ways) return;
  const box = { left: 44, top: 8, right: width - 10, bottom: height - 42 };
  const [muRange, stdRange] = data.ranges;
  const [, nRows, nColumns] = data.maps.shape;
  const cell = [(box.right - box.left) / nColumns, (box.bottom - box.top) / nRows];
  ctx.fillStyle = tone.gray;
  for (let i = 0; i < nRows; i++) {
    for (let j = 0; j < nColumns; j++) {
      const gap = data.maps.values[(hill * nRows + i) * nColumns + j];
      if (gap > 5) continue;
      ctx.globalAlpha = 0.65 * Math.exp(-gap);
      const [px, py] = [Math.round(box.left + j * cell[0]), Math.round(box.bottom - (i + 1) * cell[1])];
      const [nextX, nextY] = [Math.round(box.left + (j + 1) * cell[0]), Math.round(box.bottom - i * cell[1])];
      ctx.fillRect(px, py, nextX - px, nextY - py); // no seams, no overlap
    }
  }
  ctx.globalAlpha = 1;
  const { x, y } = axes(ctx, box, muRange, stdRange, { xLabel: "mean \u03bc", yLabel: "standard deviation \u03c3", tone });
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  ways.forEach((way, k) => {
    const points = way.slice(0, step + 1).filter((at) => at).map(([mu, logvar]) => [x(mu), y(Math.exp(logvar / 2))]);
    ctx.strokeStyle = ctx.fillStyle = tone[INKS[k]];
    ctx.lineWidth = 2;
    ctx.setLineDash(DASHES[k]);
    line(ctx, points);
    ctx.setLineDash([]);
    if (way[step]) disc(ctx, ...points.at(-1), 6);
  });
  ctx.restore();
}

function drawBars(ctx, width, height, data, { shape, step, ways, probes, half }, quadrature, tone) {
  if (!ways) return;
  const box = { left: 24, top: 8, right: width - 12, bottom: height - 42 };
  const { x } = axes(ctx, box, [-half, half], [0, 1], {
    xLabel: "error of an estimate of \u2202ELBO/\u2202\u03bc", yLabel: "", tone, ny: 0, nx: width < 330 ? 4 : 6,
  });
  const band = (box.bottom - box.top) / 3;
  const bar = (box.right - box.left) / BINS;
  ways.forEach((way, k) => {
    const base = box.top + band * (k + 1);
    ctx.fillStyle = tone[INKS[k]];
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.fillText(data.climbers[k], box.left + 6, base - band + 6);
    if (!way[step]) {
      ctx.fillText("gone", box.left + 6, base - band + 22);
      return;
    }
    const counts = histogram(shape, k, way[step], probes, half, quadrature);
    const top = Math.max(...counts);
    counts.forEach((c, b) => {
      const tall = ((band - 12) * c) / top;
      ctx.fillRect(box.left + b * bar + 0.5, base - tall, bar - 1, tall);
    });
    ctx.strokeStyle = tone.gray;
    ctx.lineWidth = 1;
    line(ctx, [[box.left, base], [box.right, base]]);
  });
  ctx.strokeStyle = tone.fg;
  ctx.setLineDash([3, 3]);
  line(ctx, [[x(0), box.top], [x(0), box.bottom]]);
  ctx.setLineDash([]);
}
