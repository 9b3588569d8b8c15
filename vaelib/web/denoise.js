// The mending desk: a digit, the digit spoiled, and what a filter and networks make of it.

import { canvas, choice, colors, el, menu, number, onPick } from "./core.js";

const GRAY = 0.35; // how a missing pixel is drawn
const WORDS = 40; // height of the two lines under a picture
const HINT = "Click or drag over the second picture to rub out pixels; the menus bring them back.";

export function mount(root, data) {
  const { side, images, mean, eps, gaps, levels, search } = data;
  const size = side * side;
  const nets = data.nets.map(({ name, encoder, decoder }) => (
    { name, encoder: expand(encoder), decoder: expand(decoder) }));
  let digit = 0;
  let seen = Uint8Array.from(gaps[0].seen.values);
  let shown = [];

  menu(root, { label: "Digit", names: range(images.shape[0]).map(String),
    onChange: (i) => { digit = i; update(); } });
  menu(root, { label: "Missing", names: gaps.map((gap) => gap.name),
    onChange: (i) => { seen = Uint8Array.from(gaps[i].seen.values); update(); } });
  const level = choice(root, { values: levels, start: levels[3], label: "Level of the noise",
    show: (s) => `noise level s = ${s.toFixed(1)}`, onChange: () => update() });
  const text = el("p", { class: "vw-text", "aria-live": "polite" }, root);
  el("p", { style: "margin:4px 0 8px;color:var(--vw-muted);font-size:13px", text: HINT }, root);

  const columns = (width) => (width < 520 ? 3 : 4);
  const tile = (width) => width / columns(width);
  const count = nets.length + 4; // truth, spoiled, median, the networks, one of them asked
  const board = canvas(root, {
    ratio: (width) => Math.ceil(count / columns(width)) * (tile(width) + WORDS) / width,
    label: "The digit, the spoiled digit, and its reconstructions, each with its PSNR",
    draw(ctx, width) {
      const tone = colors(root), step = tile(width), n = columns(width);
      ctx.imageSmoothingEnabled = false;
      ctx.textAlign = "center";
      shown.forEach(({ name, image, quality }, i) => {
        const left = (i % n) * step, top = Math.floor(i / n) * (step + WORDS);
        ctx.drawImage(bitmap(image, side), left + 3, top + 3, step - 6, step - 6);
        ctx.strokeStyle = tone.gray;
        ctx.strokeRect(left + 2.5, top + 2.5, step - 5, step - 5);
        ctx.fillStyle = tone.fg;
        ctx.fillText(name, left + step / 2, top + step + 12);
        ctx.fillStyle = tone.muted;
        ctx.fillText(quality ?? "", left + step / 2, top + step + 27);
      });
    },
  });
  onPick(board.node, (event) => {
    const area = board.node.getBoundingClientRect(), step = tile(area.width);
    const u = (event.clientX - area.left - step - 3) / (step - 6);
    const v = (event.clientY - area.top - 3) / (step - 6);
    if (u < 0 || v < 0 || u >= 1 || v >= 1) return; // not on the spoiled digit
    rub(Math.floor(u * side), Math.floor(v * side));
  });

  function rub(column, row) {
    for (let r = Math.max(0, row - 1); r <= Math.min(side - 1, row + 1); r++) {
      for (let c = Math.max(0, column - 1); c <= Math.min(side - 1, column + 1); c++) seen[r * side + c] = 0;
    }
    update();
  }

  function answers(truth, s) {
    const x = Float64Array.from(truth, (t, i) => (seen[i] ? t + s * eps.values[i] : mean.values[i]));
    const made = [["median", median(x, side)]];
    for (const net of nets) made.push([net.name, sigmoid(run(net.decoder, run(net.encoder, x).at(-1)).at(-1))]);
    const net = nets[data.asked];
    const z = bestZ(net, x, seen, s * s + data.misfit, search);
    made.push([`${net.name}, asked`, sigmoid(run(net.decoder, z).at(-1))]);
    return made;
  }

  function update() {
    const s = level.value();
    const truth = Float64Array.from(images.values.subarray(digit * size, (digit + 1) * size), (v) => v / 255);
    const spoiled = truth.map((t, i) => (seen[i] ? clip(t + s * eps.values[i]) : GRAY));
    const rate = (image) => `${number(decibels(image, truth), 1)} dB`;
    const made = answers(truth, s).map(([name, image]) => ({ name, image, quality: rate(image) }));
    shown = [{ name: "truth", image: truth }, { name: "spoiled", image: spoiled }, ...made];
    const missing = seen.reduce((n, v) => n + 1 - v, 0);
    const best = made.reduce((a, b) => (decibels(a.image, truth) >= decibels(b.image, truth) ? a : b));
    const free = missing ? "" : ` Clipping alone gives ${rate(spoiled)}.`;
    text.textContent = `Noise ${s.toFixed(1)}, ${missing} of ${size} pixels missing.${free} ` +
      `Nearest to the truth of those below: ${best.name}, ${best.quality}.`;
    board.redraw();
  }

  update();
  Object.assign(root, {
    rub,
    answers: () => Object.fromEntries(shown.slice(2).map(({ name, image }) => [name, Array.from(image)])),
    missing: () => seen.reduce((n, v) => n + 1 - v, 0),
  });
}

function range(n) {
  return Array.from({ length: n }, (_, i) => i);
}

function clip(v) {
  return Math.max(0, Math.min(1, v));
}

function sigmoid(out) {
  return out.map((v) => 1 / (1 + Math.exp(-v)));
}

function decibels(image, truth) {
  return -10 * Math.log10(image.reduce((sum, v, i) => sum + (v - truth[i]) ** 2, 0) / truth.length);
}

/** Back to real weights once: multiplying int8 by a scale in every step would be slower. */
function expand(layers) {
  return layers.map(({ weight, scale, bias }) => {
    const [nOut, nIn] = weight.shape;
    const values = Float64Array.from(weight.values, (w, i) => w * scale.values[Math.floor(i / nIn)]);
    return { values, bias: bias.values, nIn, nOut };
  });
}

/** The output of each layer before its ReLU. */
function run(layers, x) {
  const found = [];
  let h = x;
  for (const { values, bias, nIn, nOut } of layers) {
    if (found.length) h = h.map((v) => Math.max(v, 0));
    const out = new Float64Array(nOut);
    for (let i = 0; i < nOut; i++) {
      let sum = bias[i];
      for (let j = 0, k = i * nIn; j < nIn; j++, k++) sum += values[k] * h[j];
      out[i] = sum;
    }
    found.push(out);
    h = out;
  }
  return found;
}

/** The gradient of a layer's input, given that of its output. */
function back({ values, nIn, nOut }, slope) {
  const found = new Float64Array(nIn);
  for (let i = 0; i < nOut; i++) {
    if (slope[i] === 0) continue;
    for (let j = 0, k = i * nIn; j < nIn; j++, k++) found[j] += values[k] * slope[i];
  }
  return found;
}

/** The z of the largest p(z) prod N(x_d; p_d(z), variance) over seen pixels, by Adam. */
function bestZ({ encoder, decoder }, x, seen, variance, { steps, rate }) {
  const z = Float64Array.from(run(encoder, x).at(-1));
  const first = new Float64Array(z.length), second = new Float64Array(z.length);
  for (let step = 1; step <= steps; step++) {
    const values = run(decoder, z);
    const p = sigmoid(values.at(-1));
    let slope = p.map((v, i) => (seen[i] ? ((v - x[i]) / variance) * v * (1 - v) : 0));
    for (let depth = decoder.length - 1; depth >= 0; depth--) {
      slope = back(decoder[depth], slope);
      if (depth) slope = slope.map((v, i) => (values[depth - 1][i] > 0 ? v : 0));
    }
    const now = (rate * (1 + Math.cos((Math.PI * (step - 1)) / steps))) / 2;
    slope.forEach((v, i) => {
      const g = v + z[i];
      first[i] = 0.9 * first[i] + 0.1 * g;
      second[i] = 0.999 * second[i] + 0.001 * g * g;
      z[i] -= (now * first[i]) / (1 - 0.9 ** step) / (Math.sqrt(second[i] / (1 - 0.999 ** step)) + 1e-8);
    });
  }
  return z;
}

/** Of each pixel and its neighbors, the rim repeated; clipped to [0, 1]. */
function median(x, side) {
  const inside = (v) => Math.max(0, Math.min(side - 1, v));
  return Float64Array.from(x, (_, i) => {
    const row = Math.floor(i / side), column = i % side, near = [];
    for (const r of [-1, 0, 1]) for (const c of [-1, 0, 1]) near.push(x[inside(row + r) * side + inside(column + c)]);
    return clip(near.sort((a, b) => a - b)[4]);
  });
}

/** An image in [0, 1] on a canvas of its own size. */
function bitmap(image, side) {
  const node = el("canvas", { width: side, height: side });
  const ctx = node.getContext("2d");
  const pixels = ctx.createImageData(side, side);
  image.forEach((v, i) => {
    pixels.data.fill(Math.round(255 * v), 4 * i, 4 * i + 3);
    pixels.data[4 * i + 3] = 255;
  });
  ctx.putImageData(pixels, 0, 0);
  return node;
}
