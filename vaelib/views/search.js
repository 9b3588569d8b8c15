// Chapter 6: three gradient estimators ascend one ELBO with the same noise.
import { axes, begin, bind, canvas, choice, colors, disc, el, line, menu, number, stepper, tell } from "./core.js";

// --- the mathematics ---------------------------------------------------------------------------

/** log(e^a + e^b). */
const logAddExp = (a, b) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

/** f and its derivative, by name as in search.py; `text` is what the menu says. */
export const FUNCTIONS = {
  quadratic: {
    text: "quadratic, \u2212(z \u2212 2)\u00b2/2",
    f: (z) => -((z - 2) ** 2) / 2,
    slope: (z) => 2 - z,
  },
  "two modes": {
    text: "two modes, at \u00b12.5",
    f: (z) => logAddExp(-((z + 2.5) ** 2) / 2, -((z - 2.5) ** 2) / 2),
    slope: (z) => -z + 2.5 * Math.tanh(2.5 * z),
  },
  oscillating: {
    text: "oscillating, \u2212z\u00b2/8 + 1.5 cos 4z",
    f: (z) => -(z ** 2) / 8 + 1.5 * Math.cos(4 * z),
    slope: (z) => -z / 4 - 6 * Math.sin(4 * z),
  },
  quartic: { text: "quartic, \u2212z\u2074", f: (z) => -(z ** 4), slope: (z) => -4 * z ** 3 },
};

/** The step size at t = 1, 2, ..., by name as in search.py. */
export const STEP_SIZES = {
  "1/(t + 10)": (t) => 1 / (t + 10),
  "1/t": (t) => 1 / t,
  "0.05": () => 0.05,
  "1/(4t^2)": (t) => 1 / (4 * t * t),
};

const ESTIMATORS = ["score function", "with baseline", "pathwise"];
const START = [-2, 0]; // mu and log sigma^2
const DIVERGED = 1e3; // no estimator comes back from a |mu| this large
const BINS = 31;
const MAP = { mus: [-4.5, 4.5], stds: [0.1, 3.5], columns: 60, rows: 35 };

// E[h(eps)] for standard normal eps by the trapezoid rule, which converges faster than any power
// of the step for a smooth h.
const NODES = Array.from({ length: 161 }, (_, i) => (i - 80) / 10);
const WEIGHTS = NODES.map((t) => (0.1 * Math.exp((-t * t) / 2)) / Math.sqrt(2 * Math.PI));
const expect = (h) => NODES.reduce((sum, t, i) => sum + WEIGHTS[i] * h(t), 0);
const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** E_q[f] + the entropy of q, in nats. */
export function elbo({ f }, [mu, logvar]) {
  const std = Math.exp(logvar / 2);
  return expect((t) => f(mu + std * t)) + 0.5 * (logvar + Math.log(2 * Math.PI * Math.E));
}

/** The exact derivative of the ELBO with respect to mu. */
export function exactSlope({ slope }, [mu, logvar]) {
  const std = Math.exp(logvar / 2);
  return expect((t) => slope(mu + std * t));
}

/** Estimated derivatives with respect to mu and logvar; eps is the noise of the samples. */
export function estimate({ f, slope }, estimator, [mu, logvar], eps) {
  const std = Math.exp(logvar / 2);
  if (estimator === "pathwise") {
    const slopes = eps.map((e) => slope(mu + std * e));
    return [mean(slopes), 0.5 + mean(slopes.map((s, i) => 0.5 * std * eps[i] * s))];
  }
  const baseline = estimator === "with baseline" ? f(mu) : 0; // depends on no sample: no bias
  const values = eps.map((e) => f(mu + std * e) - baseline);
  const toLogvar = values.map((v, i) => 0.5 * v * (eps[i] ** 2 - 1));
  return [mean(values.map((v, i) => v * eps[i])) / std, 0.5 + mean(toLogvar)];
}

/** The first `count` numbers of each row of an array (rows, width). */
function firstOfRows({ values, shape: [n, width] }, count) {
  return Array.from({ length: n }, (_, t) => Array.from(values.subarray(t * width, t * width + count)));
}

/** [mu, logvar] before the first step and after each, by estimator; null once it diverged. */
export function race(shape, size, noise) {
  return Object.fromEntries(ESTIMATORS.map((estimator) => {
    const trajectory = [START];
    noise.forEach((eps, t) => {
      let at = trajectory[t];
      if (at) {
        const [toMu, toLogvar] = estimate(shape, estimator, at, eps);
        at = [at[0] + size(t + 1) * toMu, at[1] + size(t + 1) * toLogvar];
        if (!(Math.abs(at[0]) < DIVERGED && Math.abs(at[1]) < 20)) at = null; // also for NaN
      }
      trajectory.push(at);
    });
    return [estimator, trajectory];
  }));
}

/** How many errors of estimates of the derivative with respect to mu fall into each bin over [-half, half]; the outer bins hold what lies beyond. */
export function histogram(shape, estimator, at, probes, half) {
  const exact = exactSlope(shape, at);
  const counts = new Array(BINS).fill(0);
  for (const eps of probes) {
    const error = (estimate(shape, estimator, at, eps)[0] - exact) / half;
    counts[Math.max(0, Math.min(BINS - 1, Math.floor(((error + 1) / 2) * BINS)))] += 1;
  }
  return counts;
}

/** Half the width of the histograms: three standard deviations of the score function's estimates at the start. */
export function halfWidth(shape, probes) {
  const found = probes.map((eps) => estimate(shape, "score function", START, eps)[0]);
  const center = mean(found);
  return 3 * Math.sqrt(mean(found.map((x) => (x - center) ** 2)));
}

/** Nats below the highest cell of the map: rows of sigma, columns of mu. */
export function elboMap(shape) {
  const middle = ([low, high], i, n) => low + ((i + 0.5) / n) * (high - low);
  const values = Array.from({ length: MAP.rows }, (_, i) => {
    const logvar = 2 * Math.log(middle(MAP.stds, i, MAP.rows));
    return Array.from({ length: MAP.columns }, (_, j) => elbo(shape, [middle(MAP.mus, j, MAP.columns), logvar]));
  });
  const highest = Math.max(...values.flat());
  return values.map((row) => row.map((v) => highest - v));
}

/** The sentence under the pictures. */
function sentence(step, last, size, elbos) {
  const when = step ? `Step ${step} of ${last}, step size ${number(size(step), 4)}` : "Before the first step";
  const scores = ESTIMATORS.map((name) => `${name} ${elbos[name] === null ? "diverged" : number(elbos[name], 2)}`);
  return `${when}. ELBO in nats: ${scores.join(", ")}.`;
}

// --- the view ----------------------------------------------------------------------------------

const INKS = ["orange", "green", "blue"]; // by estimator
const DASHES = [[2, 3], [8, 4], []];

export function render(props) {
  const view = begin(props);
  const { root, model: traits, data } = view;
  const put = bind(view, ["function", "step_sizes", "n_samples", "step"], changed);
  const last = data.noise.shape[0];
  const maps = new Map(); // those that were drawn before
  const drawn = { made: "" }; // what the pictures show

  const menus = el("div", { style: "display:flex;flex-wrap:wrap;gap:0 18px" }, root);
  const pick = (label, trait, names, texts) => {
    const select = menu(menus, { label, names: texts, onChange: (i) => byHand({ [trait]: names[i] }) });
    return () => { select.value = names.indexOf(traits.get(trait)); };
  };
  const shapes = Object.keys(FUNCTIONS);
  const sizes = Object.keys(STEP_SIZES);
  const showMenus = [
    pick("f(z)", "function", shapes, shapes.map((name) => FUNCTIONS[name].text)),
    pick("Step size", "step_sizes", sizes, sizes.map((name) => name.replace("^2", "\u00b2"))),
  ];
  legend(root);
  const views = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 14px" }, root);
  const half = () => el("div", { style: "flex:1 1 290px;min-width:0" }, views);
  const map = canvas(half(), { ratio: 0.86,
    label: "Map of the ELBO over the mean and standard deviation of q, with the trajectories of three estimators",
    draw: (ctx, width, height) => drawMap(ctx, width, height, drawn, colors(root)) });
  const bars = canvas(half(), { ratio: 0.86,
    label: "Histograms of the errors of the estimated derivative with respect to mu, one for each estimator",
    draw: (ctx, width, height) => drawBars(ctx, width, height, drawn, colors(root)) });
  const samples = choice(root, { values: [1, 2, 5, 10, 20], label: "Samples per step",
    show: (n) => `${n} sample${n === 1 ? "" : "s"} per step`, onChange: (n) => byHand({ n_samples: n }) });
  const steps = stepper(root, { n: last + 1, label: "Step", milliseconds: 120, onGo: (step) => put({ step }) });

  /** Another setting starts at the first step. */
  function byHand(values) {
    steps.pause();
    put({ ...values, step: 0 });
  }

  function changed() {
    const [name, rule, count, step] = ["function", "step_sizes", "n_samples", "step"].map((t) => traits.get(t));
    const [shape, size] = [FUNCTIONS[name], STEP_SIZES[rule]];
    if (drawn.made !== `${name} ${rule} ${count}`) {
      if (!maps.has(name)) maps.set(name, elboMap(shape));
      const probes = firstOfRows(data.probes, count);
      Object.assign(drawn, { made: `${name} ${rule} ${count}`, shape, probes, map: maps.get(name),
        half: halfWidth(shape, probes), trajectories: race(shape, size, firstOfRows(data.noise, count)) });
    }
    drawn.step = step;
    const each = (of) => Object.fromEntries(ESTIMATORS.map((k) => {
      const at = drawn.trajectories[k][step];
      return [k, at && of(at)];
    }));
    const elbos = each((at) => elbo(shape, at));
    showMenus.forEach((show) => show());
    samples.set(count);
    [map, bars].forEach((picture) => picture.redraw());
    steps.show(step, sentence(step, last, size, elbos));
    tell(traits, { elbos, positions: each(([mu, logvar]) => [mu, Math.exp(logvar / 2)]) });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

/** What each line means, with the dashes of the lines themselves. */
function legend(root) {
  const row = el("div", { style: "display:flex;flex-wrap:wrap;gap:2px 18px;margin-bottom:6px" }, root);
  const strokes = ["dotted", "dashed", "solid"];
  ESTIMATORS.forEach((name, k) => {
    const item = el("span", {}, row);
    el("b", { "aria-hidden": "true",
      style: `display:inline-block;width:26px;margin-right:6px;vertical-align:middle;border-top:3px ${strokes[k]} var(--vw-${INKS[k]})` }, item);
    item.append(name);
  });
}

function drawMap(ctx, width, height, { map, step, trajectories }, tone) {
  const box = { left: 44, top: 8, right: width - 10, bottom: height - 42 };
  const [w, h] = [(box.right - box.left) / MAP.columns, (box.bottom - box.top) / MAP.rows];
  ctx.fillStyle = tone.gray;
  map.forEach((row, i) => row.forEach((below, j) => {
    if (below > 5) return;
    ctx.globalAlpha = 0.65 * Math.exp(-below);
    // whole pixels: cells that overlap or leave a gap would show as a grid
    const [left, right] = [j, j + 1].map((k) => Math.round(box.left + k * w));
    const [bottom, top] = [i, i + 1].map((k) => Math.round(box.bottom - k * h));
    ctx.fillRect(left, top, right - left, bottom - top);
  }));
  ctx.globalAlpha = 1;
  const { x, y } = axes(ctx, box, MAP.mus, MAP.stds, { xLabel: "mean \u03bc", yLabel: "standard deviation \u03c3", tone });
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  ESTIMATORS.forEach((name, k) => {
    const seen = trajectories[name].slice(0, step + 1).filter((at) => at);
    const points = seen.map(([mu, logvar]) => [x(mu), y(Math.exp(logvar / 2))]);
    ctx.strokeStyle = ctx.fillStyle = tone[INKS[k]];
    ctx.lineWidth = 2;
    ctx.setLineDash(DASHES[k]);
    line(ctx, points);
    ctx.setLineDash([]);
    if (trajectories[name][step]) disc(ctx, ...points.at(-1), 6);
  });
  ctx.restore();
}

function drawBars(ctx, width, height, { shape, step, trajectories, probes, half }, tone) {
  const box = { left: 24, top: 8, right: width - 12, bottom: height - 42 };
  const { x } = axes(ctx, box, [-half, half], [0, 1], {
    xLabel: "error of an estimate of \u2202ELBO/\u2202\u03bc", yLabel: "", tone, ny: 0, nx: width < 330 ? 4 : 6 });
  const band = (box.bottom - box.top) / 3;
  const bar = (box.right - box.left) / BINS;
  ESTIMATORS.forEach((name, k) => {
    const base = box.top + band * (k + 1);
    const at = trajectories[name][step];
    ctx.fillStyle = tone[INKS[k]];
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.fillText(name, box.left + 6, base - band + 5);
    if (!at) {
      ctx.fillText("diverged", box.left + 6, base - band + 21);
      return;
    }
    const counts = histogram(shape, name, at, probes, half);
    const top = Math.max(...counts);
    counts.forEach((c, b) => {
      const tall = ((band - 24) * c) / top;
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
