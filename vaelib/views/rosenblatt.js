// Chapter 9: a normal plane bent into a banana, and two q's beside the exact posterior.
import {
  axes, begin, bind, canvas, choice, colors, disc, el, key, line, number, onPick, scale, sentenceLine, slider, tell,
} from "./core.js";

// --- the mathematics, as in vaelib/banana.py ---------------------------------------------------

const [BEND, SPREAD] = [0.5, 0.5];
const LOG_2PI = Math.log(2 * Math.PI);
const OFFSETS = Array.from({ length: 161 }, (_, i) => -8 + i / 10);

/** f(z). */
export function decode([z1, z2]) {
  return [z1, BEND * (z1 * z1 - 1) + SPREAD * z2];
}

/** The Cholesky factor of the full q and the standard deviations of the diagonal one, for sigma 1. */
export function spreads(z1) {
  const slope = 2 * BEND * z1;
  return { full: [[1, 0], [-slope / SPREAD, 1 / SPREAD]], stds: [1 / Math.sqrt(1 + slope ** 2), 1 / SPREAD] };
}

/** log p_sigma(x): z_2 integrated by hand, z_1 by the trapezoid rule. */
export function logEvidence([x1, x2], sigma) {
  const shrink = 1 / (1 + sigma ** 2);
  const variance = SPREAD ** 2 + sigma ** 2;
  const logF = OFFSETS.map((t) => {
    const z1 = x1 * shrink + sigma * Math.sqrt(shrink) * t;
    return -0.5 * ((x2 - BEND * (z1 * z1 - 1)) ** 2 / variance + t * t);
  });
  const top = Math.max(...logF);
  const area = 0.1 * logF.reduce((sum, v) => sum + Math.exp(v - top), 0);
  return top + Math.log(area) - 0.5 * (x1 ** 2 * shrink + Math.log(variance) - Math.log(shrink) + 3 * LOG_2PI);
}

/** KL(q || p(z|x)) at x = f(z) in nats: the full q, the diagonal q, its limit as sigma -> 0. */
export function gap(z, sigma) {
  const { full, stds } = spreads(z[0]);
  const logPx = logEvidence(decode(z), sigma);
  const square = full.flat().reduce((sum, v) => sum + v * v, 0);
  const bent = 3 * (BEND * sigma) ** 2;
  const logPrior = -0.5 * (z[0] ** 2 + z[1] ** 2) - LOG_2PI;
  const elbo = logPrior - Math.log(SPREAD) - 0.5 * (bent + sigma ** 2 * square);
  const flat = 0.5 * (sigma ** 2 * (stds[0] ** 2 + stds[1] ** 2) + bent * stds[0] ** 4);
  const diagonal = logPrior + Math.log(stds[0] * stds[1]) - flat;
  return [logPx - elbo, logPx - diagonal, 0.5 * Math.log1p((2 * BEND * z[0]) ** 2)];
}

/** log p(z|x) up to a constant. */
export function logPosterior(z, x, sigma) {
  const out = decode(z);
  return -0.5 * (((out[0] - x[0]) ** 2 + (out[1] - x[1]) ** 2) / sigma ** 2 + z[0] ** 2 + z[1] ** 2);
}

/** A closed line two standard deviations around the center of N(0, chol chol^T). */
export function ellipse(chol) {
  return Array.from({ length: 61 }, (_, i) => {
    const [c, s] = [2 * Math.cos((i * Math.PI) / 30), 2 * Math.sin((i * Math.PI) / 30)];
    return [chol[0][0] * c + chol[0][1] * s, chol[1][0] * c + chol[1][1] * s];
  });
}

/** The sentence under the pictures. */
function sentence(z, x, sigma, divergences) {
  const [full, diagonal, floor] = divergences.map((v) => number(v, 3));
  return `z = (${number(z[0])}, ${number(z[1])}) maps to x = (${number(x[0], 3)}, ${number(x[1], 3)}). ` +
    `At \u03c3 = ${sigma}: KL(q\u2016p) = ${full} nats for the full q, ${diagonal} for the diagonal one; ` +
    `as \u03c3 \u2192 0 they tend to 0 and ${floor}.`;
}

// --- the view ----------------------------------------------------------------------------------

const REACH = 2.5;
const SIGMAS = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2];
const X_RANGES = [[-3.2, 3.2], [-2.4, 4.2]];

export function render(props) {
  const view = begin(props);
  const { root, model: traits } = view;
  const put = bind(view, ["z", "sigma"], changed);
  let z, sigma; // what is drawn

  key(root, [["\u25cf", "orange", "z and f(z)"], ["\u2014", "blue", "full q"], ["\u254c", "orange", "diagonal q"], ["\u25a0", "gray", "exact posterior"]]);
  const row = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 10px" }, root);
  const panel = (label, draw) => canvas(el("div", { style: "flex:1 1 215px;min-width:0" }, row), {
    ratio: (width) => (width > 420 ? 0.58 : 1.08), // alone in its row it need not be a square
    label,
    draw: (ctx, width, height) => draw(ctx, frame(width, height), z, sigma, colors(root)),
  });
  const pictures = [
    panel("The latent plane with a square grid and the point z", drawPlane),
    panel("The banana: the image of the grid, and the point f(z)", drawBanana),
    panel("The posterior around z in units of sigma, with both q as ellipses", drawPosterior),
  ];
  const coordinates = ["z\u2081", "z\u2082"].map((name, k) => slider(root, {
    label: name, min: -REACH, max: REACH, step: 0.1, wide: "15em", show: (v) => `${name} = ${number(v)}`,
    onInput: (v) => put({ z: z.map((old, i) => (i === k ? v : old)) }),
  }));
  const noise = choice(root, { values: SIGMAS, label: "Noise of the decoder", show: (s) => `\u03c3 = ${s}`,
    onChange: (value) => put({ sigma: value }) });
  const text = sentenceLine(root, [...coordinates, noise].map(({ input }) => input));

  function changed() {
    [z, sigma] = [traits.get("z"), traits.get("sigma")];
    const [x, divergences] = [decode(z), gap(z, sigma)];
    coordinates.forEach((control, k) => control.set(z[k]));
    noise.set(sigma);
    text.say(sentence(z, x, sigma, divergences));
    pictures.forEach((picture) => picture.redraw());
    const [full, diagonal, floor] = divergences;
    tell(traits, { x, kl_full: full, kl_diagonal: diagonal, floor });
  }

  const plane = pictures[0].node;
  onPick(plane, (event) => {
    const { width, height } = plane.getBoundingClientRect();
    const box = frame(width, height);
    const at = [
      scale([box.left, box.right], [-REACH, REACH])(event.offsetX),
      scale([box.bottom, box.top], [-REACH, REACH])(event.offsetY),
    ];
    put({ z: at.map((v) => Math.max(-REACH, Math.min(REACH, Math.round(10 * v) / 10))) });
  });

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

const frame = (width, height) => ({ left: 46, top: 8, right: width - 8, bottom: height - 42 });

/** The lines of the grid, each a list of points z. */
function gridLines() {
  const along = Array.from({ length: 41 }, (_, i) => -REACH + (i * REACH) / 20);
  const at = Array.from({ length: 11 }, (_, i) => -REACH + (i * REACH) / 5);
  return at.flatMap((a) => [along.map((t) => [a, t]), along.map((t) => [t, a])]);
}

function inside(ctx, box, draw) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  draw();
  ctx.restore();
}

function drawGrid(ctx, box, map, { x, y }, point, tone) {
  inside(ctx, box, () => {
    ctx.strokeStyle = tone.blue;
    ctx.globalAlpha = 0.6;
    for (const points of gridLines()) line(ctx, points.map(map).map(([a, b]) => [x(a), y(b)]));
    ctx.globalAlpha = 1;
  });
  ctx.fillStyle = tone.orange;
  disc(ctx, x(point[0]), y(point[1]), 6);
  ctx.strokeStyle = tone.bg;
  ctx.lineWidth = 2;
  ctx.stroke();
}

function drawPlane(ctx, box, z, sigma, tone) {
  const maps = axes(ctx, box, [-REACH, REACH], [-REACH, REACH], { xLabel: "z\u2081", yLabel: "z\u2082", tone });
  drawGrid(ctx, box, (p) => p, maps, z, tone);
}

function drawBanana(ctx, box, z, sigma, tone) {
  const maps = axes(ctx, box, ...X_RANGES, { xLabel: "x\u2081", yLabel: "x\u2082", tone });
  drawGrid(ctx, box, decode, maps, decode(z), tone);
}

function drawPosterior(ctx, box, z, sigma, tone) {
  const [wide, tall] = [4, (3.2 * Math.hypot(2 * BEND * z[0], 1)) / SPREAD]; // holds both ellipses
  const x0 = decode(z);
  const n = 60;
  const at = (i, half) => half * ((2 * i + 1) / n - 1);
  const logP = Array.from({ length: n * n }, (_, k) => logPosterior(
    [z[0] + sigma * at(k % n, wide), z[1] + sigma * at(Math.floor(k / n), tall)], x0, sigma));
  const top = Math.max(...logP);
  const cell = [(box.right - box.left) / n, (box.bottom - box.top) / n];
  ctx.fillStyle = tone.gray;
  logP.forEach((v, k) => {
    if (v < top - 5) return;
    const [i, j] = [Math.floor(k / n), k % n];
    const [left, right] = [j, j + 1].map((c) => Math.round(box.left + c * cell[0]));
    const [upper, lower] = [i + 1, i].map((c) => Math.round(box.bottom - c * cell[1]));
    ctx.globalAlpha = 0.8 * Math.exp(v - top);
    ctx.fillRect(left, upper, right - left, lower - upper); // no seams, no overlap
  });
  ctx.globalAlpha = 1;
  const { x, y } = axes(ctx, box, [-wide, wide], [-tall, tall], {
    xLabel: "(z\u2081 \u2212 g\u2081) / \u03c3", yLabel: "(z\u2082 \u2212 g\u2082) / \u03c3", tone,
  });
  const { full, stds } = spreads(z[0]);
  inside(ctx, box, () => {
    ctx.lineWidth = 2.5;
    for (const [chol, ink, dash] of [[full, "blue", []], [[[stds[0], 0], [0, stds[1]]], "orange", [6, 4]]]) {
      ctx.strokeStyle = tone[ink];
      ctx.setLineDash(dash);
      line(ctx, ellipse(chol).map(([a, b]) => [x(a), y(b)]));
    }
    ctx.setLineDash([]);
  });
}
