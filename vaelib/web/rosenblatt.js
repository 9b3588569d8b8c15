// Chapter 9: a normal plane bent into a banana, and two q's beside the exact posterior.
import { axes, canvas, choice, colors, disc, el, key, line, number, onPick, scale } from "./core.js";

const LOG_2PI = Math.log(2 * Math.PI);
const OFFSETS = Array.from({ length: 161 }, (_, i) => -8 + i / 10);

/** f(z) for the banana; `shape` = {bend, spread}. */
export function decode([z1, z2], { bend, spread }) {
  return [z1, bend * (z1 * z1 - 1) + spread * z2];
}

/** chol of the full q and the standard deviations of the diagonal one, both for sigma 1. */
export function spreads(z1, { bend, spread }) {
  const slope = 2 * bend * z1;
  return { full: [[1, 0], [-slope / spread, 1 / spread]], sds: [1 / Math.sqrt(1 + slope ** 2), 1 / spread] };
}

/** log p_sigma(x): z_2 integrated by hand, z_1 by the trapezoid rule. */
export function logEvidence([x1, x2], sigma, { bend, spread }) {
  const shrink = 1 / (1 + sigma ** 2);
  const variance = spread ** 2 + sigma ** 2;
  const logF = OFFSETS.map((t) => {
    const z1 = x1 * shrink + sigma * Math.sqrt(shrink) * t;
    return -0.5 * ((x2 - bend * (z1 * z1 - 1)) ** 2 / variance + t * t);
  });
  const top = Math.max(...logF);
  const area = 0.1 * logF.reduce((sum, v) => sum + Math.exp(v - top), 0);
  return top + Math.log(area) - 0.5 * (x1 ** 2 * shrink + Math.log(variance) - Math.log(shrink) + 3 * LOG_2PI);
}

/** KL(q || p(z|x)) at x = f(z) for both q's, and where the diagonal one ends; nats. */
export function gap([z1, z2], sigma, shape) {
  const { bend, spread } = shape;
  const { full, sds } = spreads(z1, shape);
  const logPx = logEvidence(decode([z1, z2], shape), sigma, shape);
  const square = full.flat().reduce((sum, v) => sum + v * v, 0);
  const bent = 3 * (bend * sigma) ** 2;
  const logPrior = -0.5 * (z1 ** 2 + z2 ** 2) - LOG_2PI;
  const elbo = logPrior - Math.log(spread) - 0.5 * (bent + sigma ** 2 * square);
  const flat = 0.5 * (sigma ** 2 * (sds[0] ** 2 + sds[1] ** 2) + bent * sds[0] ** 4);
  const diagonal = logPrior + Math.log(sds[0] * sds[1]) - flat;
  return [logPx - elbo, logPx - diagonal, 0.5 * Math.log1p((2 * bend * z1) ** 2)];
}

/** log p(z|x) up to a constant. */
export function logPosterior(z, x, sigma, shape) {
  const out = decode(z, shape);
  return -0.5 * (((out[0] - x[0]) ** 2 + (out[1] - x[1]) ** 2) / sigma ** 2 + z[0] ** 2 + z[1] ** 2);
}

/** The sentence under the pictures. */
export function sentence(z, sigma, shape) {
  const x = decode(z, shape);
  const [full, diagonal, floor] = gap(z, sigma, shape).map((v) => number(v, 3));
  return `z = (${number(z[0], 1)}, ${number(z[1], 1)}) goes to x = (${number(x[0], 3)}, ${number(x[1], 3)}). ` +
    `At \u03c3 = ${sigma}: KL(q\u2016p) = ${full} nats for the full q, ${diagonal} for the diagonal one; ` +
    `as \u03c3 \u2192 0 they tend to 0 and ${floor}.`;
}

/** A closed line around N(center, chol chol^T), two standard deviations wide. */
export function ellipse([a, b], chol) {
  return Array.from({ length: 61 }, (_, i) => {
    const [c, s] = [2 * Math.cos((i * Math.PI) / 30), 2 * Math.sin((i * Math.PI) / 30)];
    return [a + chol[0][0] * c + chol[0][1] * s, b + chol[1][0] * c + chol[1][1] * s];
  });
}

/** Half the width and height of the third panel. */
export function microscope(z1, { bend, spread }) {
  return [4, (3.2 * Math.hypot(2 * bend * z1, 1)) / spread];
}

export function mount(root, data) {
  const state = { z: [...data.start], sigma: data.sigma };
  const values = Array.from({ length: Math.round(20 * data.reach) + 1 }, (_, i) => (i - 10 * data.reach) / 10);
  key(root, [["\u25cf", "orange", "z and f(z)"], ["\u2014", "blue", "full q"], ["\u254c", "orange", "diagonal q"], ["\u25a0", "gray", "exact posterior"]]);
  const row = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 10px" }, root);
  const panel = (label, draw) => canvas(el("div", { style: "flex:1 1 215px;min-width:0" }, row), {
    ratio: (width) => (width > 420 ? 0.58 : 1.08), // alone in its row it need not be a square
    label,
    draw: (ctx, width, height) => draw(ctx, frame(width, height), data, state, colors(root)),
  });
  const pictures = [
    panel("The latent plane with a square grid and the point z", drawPlane),
    panel("The banana: the image of the grid, and the point f(z)", drawBanana),
    panel("The posterior around z in units of sigma, with both q as ellipses", drawMicroscope),
  ];
  const show = (name) => (v) => `${name} = ${number(v, 1)}`;
  const hand = ["z\u2081", "z\u2082"].map((name, k) => choice(root, {
    values, start: data.start[k], label: name, show: show(name), onChange: () => { state.z[k] = hand[k].value(); update(); },
  }));
  const noise = choice(root, {
    values: data.sigmas, start: data.sigma, label: "Noise of the decoder", show: (s) => `\u03c3 = ${s}`,
    onChange: () => { state.sigma = noise.value(); update(); },
  });
  const text = el("p", { class: "vw-text", "aria-live": "polite" }, root);
  function update() {
    pictures.forEach((picture) => picture.redraw());
    text.textContent = sentence(state.z, state.sigma, data);
  }
  function pick(event) {
    const { width, height } = plane.getBoundingClientRect();
    const box = frame(width, height);
    const range = [-data.reach, data.reach];
    const at = [
      scale([box.left, box.right], range)(event.offsetX),
      scale([box.bottom, box.top], range)(event.offsetY),
    ];
    at.forEach((v, k) => {
      const place = Math.max(0, Math.min(values.length - 1, Math.round(10 * (v + data.reach))));
      hand[k].set(place);
      state.z[k] = values[place];
    });
    update();
  }
  const plane = pictures[0].node;
  onPick(plane, pick);
  update();
}

// --- drawing -----------------------------------------------------------------------------------

const frame = (width, height) => ({ left: 46, top: 8, right: width - 8, bottom: height - 42 });

/** The lines of the grid, each a list of points z. */
function gridLines(reach) {
  const along = Array.from({ length: 41 }, (_, i) => -reach + (i * reach) / 20);
  const at = Array.from({ length: 11 }, (_, i) => -reach + (i * reach) / 5);
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

function drawGrid(ctx, box, map, { x, y }, point, reach, tone) {
  inside(ctx, box, () => {
    ctx.strokeStyle = tone.blue;
    ctx.globalAlpha = 0.6;
    for (const points of gridLines(reach)) line(ctx, points.map(map).map(([a, b]) => [x(a), y(b)]));
    ctx.globalAlpha = 1;
  });
  ctx.fillStyle = tone.orange;
  disc(ctx, x(point[0]), y(point[1]), 6);
  ctx.strokeStyle = tone.bg;
  ctx.lineWidth = 2;
  ctx.stroke();
}

function drawPlane(ctx, box, data, { z }, tone) {
  const range = [-data.reach, data.reach];
  const maps = axes(ctx, box, range, range, { xLabel: "z\u2081", yLabel: "z\u2082", tone });
  drawGrid(ctx, box, (p) => p, maps, z, data.reach, tone);
}

function drawBanana(ctx, box, data, { z }, tone) {
  const maps = axes(ctx, box, ...data.ranges, { xLabel: "x\u2081", yLabel: "x\u2082", tone });
  drawGrid(ctx, box, (p) => decode(p, data), maps, decode(z, data), data.reach, tone);
}

function drawMicroscope(ctx, box, data, { z, sigma }, tone) {
  const [wide, tall] = microscope(z[0], data);
  const x0 = decode(z, data);
  const n = 60;
  const at = (i, half) => half * ((2 * i + 1) / n - 1);
  const logP = Array.from({ length: n * n }, (_, k) => logPosterior(
    [z[0] + sigma * at(k % n, wide), z[1] + sigma * at(Math.floor(k / n), tall)], x0, sigma, data));
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
  const { full, sds } = spreads(z[0], data);
  inside(ctx, box, () => {
    ctx.lineWidth = 2.5;
    for (const [chol, ink, dash] of [[full, "blue", []], [[[sds[0], 0], [0, sds[1]]], "orange", [6, 4]]]) {
      ctx.strokeStyle = tone[ink];
      ctx.setLineDash(dash);
      line(ctx, ellipse([0, 0], chol).map(([a, b]) => [x(a), y(b)]));
    }
    ctx.setLineDash([]);
  });
}
