// Chapter 11: a digit, the digit corrupted, and what a filter and networks make of it.
import { begin, bind, el, menu, number, onPick, sentenceLine, slider, tell } from "./core.js";
import { forward, gradient, ready, sigmoid } from "./network.js";
import { bitmap, grays, tiles } from "./pictures.js";

const GRAY = 0.35; // how a missing pixel is drawn
const CORRUPTED = 1; // the number of its tile
const [STEPS, RATE] = [60, 0.2]; // of the search for the best z
const HINT = "Click or drag over the second picture to erase pixels; the menu of gaps brings them back.";

const clip = (v) => Math.max(0, Math.min(1, v));

/** Each network of the view's data, ready to run. */
export function prepare(data) {
  return data.nets.map(({ name, encoder, decoder }) => ({ name, encoder: ready(encoder), decoder: ready(decoder) }));
}

/** What each method makes of x where it is seen: [[name, image], ...]. */
export function answers(nets, data, x, seen, noise) {
  const filled = Float64Array.from(x, (v, i) => (seen[i] ? v : data.mean.values[i]));
  const decode = (net, z) => sigmoid(forward(net.decoder, z));
  const found = [["median", median(filled, data.side)]];
  for (const net of nets) found.push([net.name, decode(net, forward(net.encoder, filled))]);
  const net = nets[data.mapNet];
  found.push([`${net.name}, MAP`, decode(net, bestZ(net, filled, seen, noise * noise + data.misfit))]);
  return found;
}

/** The z of the largest p(z) prod N(x_d; p_d(z), variance) over seen pixels, by Adam from the encoder's mean. */
export function bestZ({ encoder, decoder }, x, seen, variance) {
  const z = Float64Array.from(forward(encoder, x));
  const first = new Float64Array(z.length), second = new Float64Array(z.length);
  const slope = (out) => sigmoid(out).map((p, i) => (seen[i] ? ((p - x[i]) / variance) * p * (1 - p) : 0));
  for (let step = 1; step <= STEPS; step++) {
    const rate = (RATE * (1 + Math.cos((Math.PI * (step - 1)) / STEPS))) / 2;
    gradient(decoder, z, slope).forEach((v, i) => {
      const g = v + z[i];
      first[i] = 0.9 * first[i] + 0.1 * g;
      second[i] = 0.999 * second[i] + 0.001 * g * g;
      z[i] -= (rate * first[i]) / (1 - 0.9 ** step) / (Math.sqrt(second[i] / (1 - 0.999 ** step)) + 1e-8);
    });
  }
  return z;
}

/** The median of each pixel and its eight neighbors, the border repeated; clipped to [0, 1]. */
export function median(x, side) {
  const inside = (v) => Math.max(0, Math.min(side - 1, v));
  return Float64Array.from(x, (_, i) => {
    const row = Math.floor(i / side), column = i % side, near = [];
    for (const r of [-1, 0, 1]) for (const c of [-1, 0, 1]) near.push(x[inside(row + r) * side + inside(column + c)]);
    return clip(near.sort((a, b) => a - b)[4]);
  });
}

/** Peak signal-to-noise ratio, dB. */
function decibels(image, truth) {
  return -10 * Math.log10(image.reduce((sum, v, i) => sum + (v - truth[i]) ** 2, 0) / truth.length);
}

export function render(props) {
  const view = begin(props);
  const { root, model, data } = view;
  const { side, images, eps, gaps } = data;
  const size = side * side;
  const nets = prepare(data);
  const put = bind(view, ["digit", "noise", "gap", "erased"], changed);
  let shown = [];

  const names = Array.from({ length: images.shape[0] }, (_, i) => String(i));
  const digits = menu(root, { label: "Digit", names, onChange: (i) => put({ digit: i }) });
  const missing = menu(root, { label: "Missing", names: gaps.map((gap) => gap.name),
    onChange: (i) => put({ gap: gaps[i].name, erased: [] }) });
  const level = slider(root, { label: "Level of the noise", min: 0, max: data.noisiest, step: 0.1, wide: "15em",
    show: (s) => `noise level s = ${number(s)}`, onInput: (s) => put({ noise: s }) });
  const text = sentenceLine(root);
  el("p", { style: "margin:4px 0 8px;color:var(--vw-muted);font-size:13px", text: HINT }, root);
  const board = tiles(root, {
    label: "The digit, the corrupted digit, and its reconstructions, each with its PSNR",
    count: nets.length + 4, // truth, corrupted, median, the networks, one of them twice
    columns: (width) => (width < 520 ? 3 : 4),
    lines: 2,
    shown: () => shown,
  });
  onPick(board.node, (event) => {
    const [tile, u, v] = board.at(event) ?? [];
    if (tile === CORRUPTED) erase(Math.floor(u * side), Math.floor(v * side));
  });

  /** Take a square of 3 x 3 pixels away. */
  function erase(column, row) {
    const gone = new Set(model.get("erased"));
    for (let r = Math.max(0, row - 1); r <= Math.min(side - 1, row + 1); r++) {
      for (let c = Math.max(0, column - 1); c <= Math.min(side - 1, column + 1); c++) gone.add(r * side + c);
    }
    put({ erased: [...gone] });
  }

  function changed() {
    const [digit, s, erased] = ["digit", "noise", "erased"].map((name) => model.get(name));
    const gap = gaps.findIndex(({ name }) => name === model.get("gap"));
    const seen = Uint8Array.from(gaps[gap].seen.values);
    for (const pixel of erased) seen[pixel] = 0;
    const truth = Float64Array.from(images.values.subarray(digit * size, (digit + 1) * size), (v) => v / 255);
    const x = truth.map((t, i) => t + s * eps.values[i]);
    const corrupted = x.map((v, i) => (seen[i] ? clip(v) : GRAY));
    const made = answers(nets, data, x, seen, s);
    const psnr = Object.fromEntries(made.map(([name, image]) => [name, decibels(image, truth)]));

    digits.value = digit;
    missing.value = gap;
    level.set(s);
    const dB = (value) => `${number(value, 1)} dB`;
    shown = [["truth", truth], ["corrupted", corrupted], ...made].map(([name, image]) => (
      { picture: bitmap(side, grays(image)), caption: [name, name in psnr ? dB(psnr[name]) : ""] }));
    const nMissing = seen.reduce((n, v) => n + 1 - v, 0);
    const [best, most] = Object.entries(psnr).reduce((a, b) => (a[1] >= b[1] ? a : b));
    const clipping = nMissing ? "" : ` Clipping alone gives ${dB(decibels(corrupted, truth))}.`;
    text.say(`Noise ${number(s)}, ${nMissing} of ${size} pixels missing.${clipping} ` +
      `Nearest to the truth of the methods below: ${best}, ${dB(most)}.`);
    board.redraw();
    tell(model, { psnr });
  }

  changed();
  return view.end;
}

export default { render };
