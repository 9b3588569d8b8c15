// Chapter 4: move q over a posterior; ELBO + KL = log p(x); descend either divergence.
import {
  axes, begin, bind, canvas, colors, disc, el, key, line, menu, number, onPick, scale, sentenceLine, slider, tell,
} from "./core.js";

// --- the mathematics ---------------------------------------------------------------------------

const STEP = 0.04; // to 32 on either side: more than six of the widest standard deviations
const GRID = Float64Array.from({ length: 1601 }, (_, i) => STEP * (i - 800));
const MEANS = [-5, 5];
const STDS = [0.2, 4];
const [RATE, LONGEST, ENOUGH, MAX_STEPS] = [0.1, 0.05, 1e-4, 400];

const clip = (v, [low, high]) => Math.max(low, Math.min(high, v));

export function logNormal(z, mean, std) {
  const u = (z - mean) / std;
  return -0.5 * u * u - Math.log(std) - 0.5 * Math.log(2 * Math.PI);
}

function logSum(logs) {
  const top = Math.max(...logs);
  return top + Math.log(logs.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

function logMixture(z, { weights, means, stds }) {
  return logSum(weights.map((w, k) => Math.log(w) + logNormal(z, means[k], stds[k])));
}

/** The posterior, a mixture again: {weights, means, stds, logPx}. */
export function posterior({ weights, means, stds, x, sigma_x: noise }) {
  const total = stds.map((s) => s * s + noise * noise);
  const logs = weights.map((w, k) => Math.log(w) + logNormal(x, means[k], Math.sqrt(total[k])));
  const logPx = logSum(logs);
  return {
    weights: logs.map((v) => Math.exp(v - logPx)),
    means: means.map((m, k) => (m * noise * noise + x * stds[k] * stds[k]) / total[k]),
    stds: stds.map((s, k) => (s * noise) / Math.sqrt(total[k])),
    logPx,
  };
}

/** Everything about a model that does not depend on q, on the grid. */
export function prepare(model) {
  const post = posterior(model);
  const logP = GRID.map((z) => logMixture(z, post));
  const logJoint = GRID.map((z) => logMixture(z, model) + logNormal(model.x, z, model.sigma_x));
  const score = GRID.map((z, i) => post.weights.reduce((sum, w, k) => {
    const share = Math.exp(Math.log(w) + logNormal(z, post.means[k], post.stds[k]) - logP[i]);
    return sum + (share * (post.means[k] - z)) / post.stds[k] ** 2;
  }, 0));
  return { post, logP, logJoint, score };
}

/** [ELBO, KL(q || p), KL(p || q)] in nats, on every stride-th point of the grid. */
export function measure({ logP, logJoint }, mean, std, stride = 1) {
  let [elbo, reverse, forward] = [0, 0, 0];
  for (let i = 0; i < GRID.length; i += stride) {
    const logQ = logNormal(GRID[i], mean, std);
    const q = stride * STEP * Math.exp(logQ);
    elbo += q * (logJoint[i] - logQ);
    reverse += q * (logQ - logP[i]);
    forward += stride * STEP * Math.exp(logP[i]) * (logP[i] - logQ);
  }
  return [elbo, reverse, forward];
}

/** The trajectory [[mean, std], ...] of gradient descent on the divergence "reverse" or "forward". */
export function descend({ post, score }, mean, std, direction) {
  const steps = [[mean, std]];
  const expect = (f) => post.weights.reduce((sum, w, k) => sum + w * f(post.means[k], post.stds[k]), 0);
  const center = expect((m) => m);
  for (let t = 0; t < MAX_STEPS; t++) {
    const [m, s] = steps[t];
    let [dm, dLogS] = [(center - m) / s ** 2, expect((a, b) => b * b + (a - m) ** 2) / s ** 2 - 1];
    if (direction === "reverse") {
      [dm, dLogS] = [0, 1];
      for (let i = 0; i < GRID.length; i++) {
        const q = STEP * Math.exp(logNormal(GRID[i], m, s));
        dm += q * score[i];
        dLogS += q * (GRID[i] - m) * score[i];
      }
    }
    const move = (slope) => clip(RATE * slope, [-LONGEST, LONGEST]);
    steps.push([m + move(dm), s * Math.exp(move(dLogS))]);
    if (Math.max(Math.abs(steps[t + 1][0] - m), Math.abs(steps[t + 1][1] - s)) < ENOUGH) break;
  }
  return steps;
}

/** The sentence under the pictures. */
export function sentence(model, mean, std) {
  const [elbo, reverse, forward] = measure(model, mean, std).map((v) => number(v, 3));
  return `q = N(${number(mean)}, ${number(std)}\u00b2): ELBO ${elbo} + KL(q\u2016p) ${reverse} = ` +
    `log p(x) = ${number(model.post.logPx, 3)} nats. In the other direction, KL(p\u2016q) = ${forward}.`;
}

// --- the view ----------------------------------------------------------------------------------

const MAP = { nx: 72, ny: 44, stride: 4 };
const NAMES = { reverse: "KL(q\u2016p)", forward: "KL(p\u2016q)" };

export function render(props) {
  const view = begin(props);
  const { root, model: traits, data } = view;
  const models = data.models.map(prepare);
  const put = bind(view, ["model_index", "mean", "std"], changed);
  const maps = new Map(); // the landscapes that were drawn before
  let direction = "reverse";
  let trajectory = [];
  let timer = null;
  let model, mean, std; // what is drawn

  const chosen = menu(root, { label: "Model", names: data.models.map((m) => m.name),
    onChange: (i) => byHand({ model_index: i }) });
  key(root, [["\u25a0", "gray", "posterior p(z | x)"], ["\u2501\u2501", "blue", "q"],
    ["\u25cb", "fg", "q as a point of the map"]]);
  const views = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 14px" }, root);
  const half = () => el("div", { style: "flex:1 1 290px;min-width:0" }, views);
  const density = canvas(half(), { ratio: 0.72, label: "Density of the posterior and of q",
    draw: (ctx, width, height) => drawDensity(ctx, width, height, model, mean, std, colors(root)) });
  const map = canvas(half(), { ratio: 0.72,
    label: "Map of the divergence over mean and standard deviation of q, with q and its trajectory",
    draw: (ctx, width, height) =>
      drawMap(ctx, width, height, landscape(), { mean, std, trajectory, direction }, colors(root)) });
  const bar = canvas(root, { ratio: (width) => (width < 480 ? 0.26 : 0.13),
    label: "Bar: ELBO and KL divergence add up to log p(x)",
    draw: (ctx, width, height) => drawBar(ctx, width, height, model, mean, std, colors(root)) });

  const means = slider(root, { label: "Mean of q", min: MEANS[0], max: MEANS[1], step: 0.01,
    show: (v) => `mean of q ${number(v)}`, onInput: (v) => byHand({ mean: v }) });
  // the slider of the standard deviation is even in its logarithm
  const stds = slider(root, { label: "Standard deviation of q", min: Math.log(STDS[0]), max: Math.log(STDS[1]), step: 0.001,
    show: (v) => `sd of q ${number(Math.exp(v))}`, onInput: (v) => byHand({ std: clip(Math.exp(v), STDS) }) });
  const buttons = el("div", { class: "vw-bar", style: "flex-wrap:wrap" }, root);
  for (const name of ["reverse", "forward"]) {
    const button = el("button", { type: "button", text: `Descend ${NAMES[name]}` }, buttons);
    button.addEventListener("click", () => roll(name));
  }
  const text = sentenceLine(root, [means.input, stds.input]);

  function landscape() {
    const name = `${models.indexOf(model)} ${direction}`;
    if (!maps.has(name)) {
      const [low, high] = STDS.map(Math.log);
      const values = new Float32Array(MAP.nx * MAP.ny);
      for (let j = 0, n = 0; j < MAP.ny; j++) {
        const s = Math.exp(low + ((j + 0.5) / MAP.ny) * (high - low));
        for (let i = 0; i < MAP.nx; i++, n++) {
          const m = MEANS[0] + ((i + 0.5) / MAP.nx) * (MEANS[1] - MEANS[0]);
          values[n] = measure(model, m, s, MAP.stride)[direction === "reverse" ? 1 : 2];
        }
      }
      maps.set(name, values);
    }
    return maps.get(name);
  }

  /** Draw what the traits say. A change that no descent made ends the descent. */
  function changed() {
    const index = traits.get("model_index");
    const [m, s] = [traits.get("mean"), traits.get("std")];
    const last = trajectory.at(-1);
    if (model !== models[index] || !last || last[0] !== m || last[1] !== s) {
      halt();
      trajectory = [];
    }
    [model, mean, std] = [models[index], m, s];
    chosen.value = index;
    means.set(mean);
    stds.set(Math.log(std));
    text.say(sentence(model, mean, std));
    [density, map, bar].forEach((picture) => picture.redraw());
    const [elbo, kl] = measure(model, mean, std);
    tell(traits, { elbo, kl });
  }

  function halt() {
    clearInterval(timer);
    timer = null;
    text.hush(false);
  }

  function byHand(values) {
    halt();
    trajectory = [];
    put(values);
  }

  function roll(name) {
    halt();
    direction = name;
    const steps = descend(model, mean, std, name).map(([m, s]) => [clip(m, MEANS), clip(s, STDS)]);
    let t = 0;
    const go = (i) => {
      trajectory = steps.slice(0, i + 1);
      put({ mean: steps[i][0], std: steps[i][1] });
    };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return go(steps.length - 1);
    text.hush(true);
    timer = setInterval(() => {
      if (!root.isConnected) return halt();
      t = Math.min(t + 2, steps.length - 1);
      if (t === steps.length - 1) halt(); // before the last sentence, so that it is spoken
      go(t);
    }, 30);
  }

  function pick(event) {
    const { width, height } = map.node.getBoundingClientRect();
    const box = frame(width, height);
    if (event.offsetX < box.left || event.offsetX > box.right || event.offsetY > box.bottom) return;
    const m = scale([box.left, box.right], MEANS)(event.offsetX);
    const s = scale([box.bottom, box.top], STDS.map(Math.log))(event.offsetY);
    byHand({ mean: clip(m, MEANS), std: clip(Math.exp(s), STDS) });
  }
  onPick(map.node, pick);

  view.onEnd(halt);
  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

const frame = (width, height) => ({ left: 52, top: 22, right: width - 10, bottom: height - 42 });

function drawDensity(ctx, width, height, { post }, mean, std, tone) {
  const box = frame(width, height);
  const at = Array.from({ length: 481 }, (_, i) => -6 + i / 40);
  const p = at.map((z) => Math.exp(logMixture(z, post)));
  const q = at.map((z) => Math.exp(logNormal(z, mean, std)));
  const top = 2.2 * Math.max(...p); // a narrow q is cut, so that the posterior stays in place
  const { x, y } = axes(ctx, box, [-6, 6], [0, top], { xLabel: "z", yLabel: "density", tone });
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  ctx.fillStyle = tone.gray;
  ctx.globalAlpha = 0.4;
  ctx.beginPath();
  ctx.moveTo(x(-6), y(0));
  at.forEach((z, i) => ctx.lineTo(x(z), y(p[i])));
  ctx.lineTo(x(6), y(0));
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = tone.blue;
  ctx.lineWidth = 2.5;
  line(ctx, at.map((z, i) => [x(z), y(q[i])]));
  ctx.restore();
}

function drawMap(ctx, width, height, values, { mean, std, trajectory, direction }, tone) {
  const box = frame(width, height);
  const lowest = Math.min(...values);
  const [w, h] = [(box.right - box.left) / MAP.nx, (box.bottom - box.top) / MAP.ny];
  ctx.fillStyle = tone.blue;
  values.forEach((v, n) => {
    // steps of a factor of two above the lowest point, so that hollows have an edge
    const level = clip(Math.floor(Math.log2((v - lowest) / 0.125 + 1)), [0, 9]);
    ctx.globalAlpha = 0.85 * (1 - level / 9);
    const [i, j] = [n % MAP.nx, Math.floor(n / MAP.nx)];
    // whole pixels: cells that overlap or leave a gap would show as a grid
    const [left, right] = [i, i + 1].map((k) => Math.round(box.left + k * w));
    const [bottom, top] = [j, j + 1].map((k) => Math.round(box.bottom - k * h));
    ctx.fillRect(left, top, right - left, bottom - top);
  });
  ctx.globalAlpha = 1;
  const { x } = axes(ctx, box, MEANS, [0, 1], { xLabel: "mean of q", yLabel: "sd of q", tone, ny: 0 });
  const log = scale(STDS.map(Math.log), [box.bottom, box.top]);
  const y = (s) => log(Math.log(s));
  ctx.fillStyle = tone.muted;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const s of [0.2, 0.5, 1, 2, 4]) ctx.fillText(String(s), box.left - 6, y(s));
  ctx.fillStyle = tone.fg;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  ctx.fillText(`${NAMES[direction]}: the bluer, the lower`, box.left, 4);
  ctx.strokeStyle = tone.fg;
  ctx.lineWidth = 1.5;
  if (trajectory.length) {
    line(ctx, trajectory.map(([m, s]) => [x(m), y(s)]));
    disc(ctx, x(trajectory[0][0]), y(trajectory[0][1]), 2.5);
  }
  ctx.fillStyle = tone.bg;
  disc(ctx, x(clip(mean, MEANS)), y(clip(std, STDS)), 6);
  ctx.lineWidth = 3;
  ctx.stroke();
}

/** ELBO (filled) and KL (hatched) up to the line of log p(x); the bar begins ten nats below. */
function drawBar(ctx, width, height, model, mean, std, tone) {
  const [elbo, reverse] = measure(model, mean, std);
  const { logPx } = model.post;
  const box = { left: 10, top: 22, right: width - 44, bottom: height - 20 };
  const x = scale([logPx - 10, logPx], [box.left, box.right]);
  const edge = Math.max(x(elbo), box.left);
  ctx.fillStyle = tone.blue;
  ctx.globalAlpha = 0.8;
  ctx.fillRect(box.left, box.top, edge - box.left, box.bottom - box.top);
  ctx.globalAlpha = 1;
  ctx.save();
  ctx.beginPath();
  ctx.rect(edge, box.top, box.right - edge, box.bottom - box.top);
  ctx.clip();
  ctx.strokeStyle = tone.gray;
  ctx.lineWidth = 1;
  for (let px = box.left - height; px < box.right; px += 7) line(ctx, [[px, box.bottom], [px + box.bottom - box.top, box.top]]);
  ctx.restore();
  ctx.strokeStyle = tone.fg;
  ctx.lineWidth = 1;
  ctx.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.lineWidth = 3;
  line(ctx, [[box.right, box.top - 6], [box.right, box.bottom + 4]]);
  ctx.fillStyle = tone.fg;
  ctx.textBaseline = "bottom";
  ctx.textAlign = "right";
  ctx.fillText("log p(x)", width - 4, box.top - 7);
  ctx.textBaseline = "top";
  ctx.fillText(number(logPx), width - 4, box.bottom + 5);
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText(elbo < logPx - 10 ? "ELBO: more than 10 nats below" : `ELBO ${number(elbo)} (filled) + KL ${number(reverse)} (hatched)`, box.left, box.top - 7);
}
