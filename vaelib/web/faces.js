// The portrait desk: six sliders edit a code, the decoder runs here, and a judge looks at both.

import { canvas, choice, colors, el, line, menu, number } from "./core.js";

const SHOWN = 3; // half the range of the bars, in the judge's unit
const GROUPS = 8, EPSILON = 1e-5; // of the judge's normalizations

const silu = (values) => {
  for (let i = 0; i < values.length; i++) values[i] /= 1 + Math.exp(-values[i]);
  return values;
};

/** Bytes and their scales back to floats; rows stay rows. */
function floats({ bytes, scale }) {
  const out = new Float32Array(bytes.values.length), n = scale.values.length;
  for (let i = 0; i < out.length; i++) out[i] = bytes.values[i] * scale.values[i % n];
  return out;
}

/** x (rows, in) times weight (in, out) plus bias, row by row. */
export function dense(x, weight, bias) {
  const nOut = bias.length, nIn = weight.length / nOut, rows = x.length / nIn;
  const out = new Float32Array(rows * nOut);
  for (let r = 0; r < rows; r++) {
    const at = r * nOut;
    for (let o = 0; o < nOut; o++) out[at + o] = bias[o];
    for (let i = 0; i < nIn; i++) {
      const a = x[r * nIn + i], w = i * nOut;
      for (let o = 0; o < nOut; o++) out[at + o] += a * weight[w + o];
    }
  }
  return out;
}

/** A convolution of x (side, side, in); `taps(o)` lists [kernel place, input place] of output o. */
function convolve(x, side, outSide, size, taps, weight, bias) {
  const nOut = bias.length, nIn = x.length / (side * side);
  const out = new Float32Array(outSide * outSide * nOut);
  const lines = Array.from({ length: outSide }, (_, o) => taps(o).filter(([, i]) => i >= 0 && i < side));
  for (let oy = 0; oy < outSide; oy++) for (let ox = 0; ox < outSide; ox++) {
    const at = (oy * outSide + ox) * nOut;
    for (let o = 0; o < nOut; o++) out[at + o] = bias[o];
    for (const [ky, iy] of lines[oy]) for (const [kx, ix] of lines[ox]) {
      const from = (iy * side + ix) * nIn, w = (ky * size + kx) * nIn;
      for (let i = 0; i < nIn; i++) {
        const a = x[from + i], row = (w + i) * nOut;
        for (let o = 0; o < nOut; o++) out[at + o] += a * weight[row + o];
      }
    }
  }
  return out;
}

/** Twice the side: a transposed convolution, kernel 4, stride 2, padding 1. */
export function double(x, side, weight, bias) {
  const taps = (o) => [0, 1, 2, 3].filter((k) => (o + 1 - k) % 2 === 0).map((k) => [k, (o + 1 - k) / 2]);
  return convolve(x, side, 2 * side, 4, taps, weight, bias);
}

/** A convolution with kernel 3, padding 1 and a stride. */
export function filter(x, side, stride, weight, bias) {
  const taps = (o) => [0, 1, 2].map((k) => [k, o * stride + k - 1]);
  return convolve(x, side, side / stride, 3, taps, weight, bias);
}

/** Group normalization of x (places, channels), in place. */
export function normalize(x, { gain, offset }) {
  const n = gain.length, width = n / GROUPS, places = x.length / n;
  for (let g = 0; g < GROUPS; g++) {
    let sum = 0, squares = 0;
    for (let p = 0; p < places; p++) for (let c = g * width; c < (g + 1) * width; c++) {
      const v = x[p * n + c];
      sum += v;
      squares += v * v;
    }
    const mean = sum / (places * width);
    const by = 1 / Math.sqrt(squares / (places * width) - mean * mean + EPSILON);
    for (let p = 0; p < places; p++) for (let c = g * width; c < (g + 1) * width; c++) {
      x[p * n + c] = (x[p * n + c] - mean) * by * gain[c] + offset[c];
    }
  }
  return x;
}

/** The decoder and the judge of `data`, as functions. */
function networks(data) {
  const ready = (layer) => ({
    weight: floats(layer), bias: layer.bias.values, gain: layer.gain?.values, offset: layer.offset?.values,
  });
  const [decoder, halving, layers] = [data.decoder, data.judge.halving, data.judge.dense].map((l) => l.map(ready));
  const moves = data.moves.map((way) => way.map(floats));
  const size = data.inner.reduce((a, b) => a * b);

  function decode(face, way, strengths) {
    let x = Float32Array.from(data.starts.values.subarray(face * size, (face + 1) * size));
    strengths.forEach((s, k) => { if (s) for (let i = 0; i < size; i++) x[i] += s * moves[way][k][i]; });
    silu(x);
    let side = data.inner[0];
    for (const { weight, bias } of decoder.slice(0, -1)) {
      x = silu(double(x, side, weight, bias));
      side *= 2;
    }
    const { weight, bias } = decoder.at(-1);
    return filter(x, side, 1, weight, bias).map((v) => Math.min(1, Math.max(0, v)));
  }

  function judge(image) {
    let x = image.map((v) => 4 * (v - 0.5)), side = data.side;
    for (const layer of halving) {
      x = silu(normalize(filter(x, side, 2, layer.weight, layer.bias), layer));
      side /= 2;
    }
    layers.forEach(({ weight, bias }, i) => {
      x = dense(x, weight, bias);
      if (i < layers.length - 1) silu(x);
    });
    return x;
  }
  return { decode, judge };
}

function bitmap(side, image) {
  const node = document.createElement("canvas");
  node.width = node.height = side;
  const ctx = node.getContext("2d"), pixels = ctx.createImageData(side, side);
  for (let p = 0; p < side * side; p++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * p + c] = Math.round(255 * image[3 * p + c]);
    pixels.data[4 * p + 3] = 255;
  }
  ctx.putImageData(pixels, 0, 0);
  return node;
}

export function mount(root, data) {
  const { decode, judge } = networks(data);
  const { sliders, side } = data;
  let face = 0, way = 0, waiting = false;
  let start, before, made, after;

  menu(root, { label: "Face", names: data.faces, onChange: (i) => { face = i; begin(); } });
  menu(root, { label: "Directions by", names: data.ways, onChange: (i) => { way = i; update(); } });
  const buttons = el("div", { class: "vw-bar", style: "flex-wrap:wrap;gap:6px" }, root);
  for (const [name, edit] of Object.entries({ "reset": {}, ...data.edits })) {
    const button = el("button", { type: "button", text: name }, buttons);
    button.addEventListener("click", () => {
      controls.forEach((c, k) => c.set(data.strengths.indexOf(edit[sliders[k]] ?? 0)));
      update();
    });
  }
  const text = el("p", { class: "vw-text", "aria-live": "polite" }, root);

  const wide = (width) => width >= 520;
  const board = canvas(root, {
    ratio: (width) => (wide(width) ? (width / 3 + 26) / width : (width / 2 + 26 + 190) / width),
    label: "The face as it is, the edited face, and the change of six attributes as a judge sees it",
    draw(ctx, width) {
      const tone = colors(root), across = wide(width) ? 3 : 2, step = width / across;
      ctx.textAlign = "center";
      ctx.textBaseline = "alphabetic";
      [["as it is", start], ["edited", made]].forEach(([name, image], i) => {
        if (!image) return;
        ctx.imageSmoothingEnabled = true;
        ctx.drawImage(bitmap(side, image), i * step + 3, 3, step - 6, step - 6);
        ctx.fillStyle = tone.fg;
        ctx.fillText(name, (i + 0.5) * step, step + 14);
      });
      if (!after) return;
      const box = wide(width) ? { left: 2 * step + 66, top: 6, right: width - 34, height: step - 6 }
        : { left: 70, top: step + 30, right: width - 40, height: 180 };
      bars(ctx, box, tone);
    },
  });

  function bars(ctx, { left, top, right, height }, tone) {
    const x = (v) => left + ((Math.max(-SHOWN, Math.min(SHOWN, v)) + SHOWN) / (2 * SHOWN)) * (right - left);
    const step = height / sliders.length;
    ctx.textBaseline = "middle";
    sliders.forEach((slider, k) => {
      const change = after[k] - before[k], y = top + (k + 0.5) * step, moved = controls[k].value() !== 0;
      ctx.fillStyle = moved ? tone.blue : tone.orange;
      ctx.fillRect(Math.min(x(0), x(change)), y - step * 0.28, Math.abs(x(change) - x(0)), step * 0.56);
      ctx.fillStyle = tone.fg;
      ctx.textAlign = "right";
      ctx.fillText(moved ? `${slider} \u25c6` : slider, left - 8, y);
      ctx.textAlign = "left";
      ctx.fillText(number(change, 1), right + 4, y);
    });
    ctx.strokeStyle = tone.gray;
    line(ctx, [[x(0), top], [x(0), top + height]]);
  }

  el("p", { style: "margin:4px 0 8px;color:var(--vw-muted);font-size:13px",
    text: "Bars: what the judge sees change, in standard deviations of its answers over photographs. " +
      "Blue with \u25c6: you moved it. Orange: you did not." }, root);

  const grid = el("div", { style: "display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr));gap:0 18px" }, root);
  const controls = sliders.map((slider) => choice(grid, {
    values: data.strengths, start: 0, label: `Strength of ${slider}`,
    show: (s) => `${slider} ${s > 0 ? "+" : ""}${number(s, 2)}`, onChange: () => later(),
  }));

  function later() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; update(); });
  }

  function begin() {
    start = decode(face, way, sliders.map(() => 0));
    before = judge(start);
    update();
  }

  function update() {
    const strengths = controls.map((c) => c.value());
    made = decode(face, way, strengths);
    after = judge(made);
    const off = sliders.filter((_, k) => !strengths[k]);
    const changes = off.map((s) => [s, after[sliders.indexOf(s)] - before[sliders.indexOf(s)]]);
    const [name, change] = changes.reduce((a, b) => (Math.abs(b[1]) > Math.abs(a[1]) ? b : a), ["", 0]);
    const moved = sliders.flatMap((s, k) => (strengths[k] ? [`${s} ${number(strengths[k], 2)}`] : []));
    text.textContent = moved.length
      ? `Moved: ${moved.join(", ")}. ` + (name ? `Of the others ${name} changes most, by ${number(change, 1)}.` : "")
      : "Move a slider, or take one of the thesis's edits.";
    board.redraw();
  }

  begin();
  root.scores = () => Array.from(after);
  root.image = () => Array.from(made);
}
