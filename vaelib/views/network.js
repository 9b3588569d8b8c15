// Networks in a page: the layers that network.py packs, applied to vectors and images.
//
// A vector is a Float32Array. An image of side x side places is one too: place by place, all
// channels of a place together. A vector that becomes an image, or an image that becomes one,
// has its channels first, as in torch.

/** Packed layers with real weights: int8 times a scale in every product would be slower. */
export function ready(layers) {
  return layers.map((layer) => {
    const made = { ...layer };
    for (const name of ["bias", "gain", "offset"]) made[name] = layer[name]?.values;
    if (layer.weight) made.weight = floats(layer);
    return made;
  });
}

/** What quantize() of network.py rounded, as real numbers; rows stay rows. */
export function floats({ weight, scale }) {
  const n = scale.values.length;
  return Float32Array.from(weight.values, (w, i) => w * scale.values[i % n]);
}

/** The output of the layers for x: a vector, or an image with its side. */
export function forward(layers, x, side = 1) {
  for (const layer of layers) [x, side] = APPLY[layer.kind](x, layer, side);
  return x;
}

/**
 * The gradient of a function of the output with respect to the input x (a vector); slope(output)
 * is its gradient with respect to the output. Linear layers and ReLUs only.
 */
export function gradient(layers, x, slope) {
  const inputs = [];
  for (const layer of layers) {
    inputs.push(x);
    x = forward([layer], x);
  }
  let g = slope(x);
  for (let depth = layers.length - 1; depth >= 0; depth--) {
    const layer = layers[depth];
    if (layer.kind === "linear") g = timesTransposed(g, layer.weight);
    else g = g.map((v, i) => (inputs[depth][i] > 0 ? v : 0));
  }
  return g;
}

/** 1 / (1 + exp(-v)) of each value. */
export function sigmoid(values) {
  return values.map((v) => 1 / (1 + Math.exp(-v)));
}

const APPLY = {
  linear: (x, layer, side) => [linear(x, layer), side],
  relu: (x, _, side) => [x.map((v) => Math.max(v, 0)), side],
  silu: (x, _, side) => [x.map((v) => v / (1 + Math.exp(-v))), side],
  norm: (x, layer, side) => [groupNorm(x, layer), side],
  flatten: (x, _, side) => [swap(x, side * side), 1],
  unflatten: (x, { channels }) => [swap(x, channels), Math.sqrt(x.length / channels)],
  convolution(x, layer, side) {
    const { size, stride, padding } = layer;
    const outSide = Math.floor((side + 2 * padding - size) / stride) + 1;
    return [slide(x, side, outSide, layer, (o, k) => o * stride + k - padding), outSide];
  },
  transposed(x, layer, side) {
    const { size, stride, padding } = layer;
    const outSide = (side - 1) * stride - 2 * padding + size;
    return [slide(x, side, outSide, layer, (o, k) => (o + padding - k) / stride), outSide];
  },
};

/** (rows, columns) to (columns, rows). */
function swap(x, rows) {
  const columns = x.length / rows;
  return Float32Array.from(x, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]);
}

/** x (rows, in) times weight (in, out) plus bias, row by row. */
function linear(x, { weight, bias }) {
  const nOut = bias.length, nIn = weight.length / nOut, rows = x.length / nIn;
  const out = new Float32Array(rows * nOut);
  for (let r = 0; r < rows; r++) {
    const at = r * nOut;
    for (let o = 0; o < nOut; o++) out[at + o] = bias[o];
    for (let i = 0; i < nIn; i++) {
      const a = x[r * nIn + i], w = i * nOut;
      if (a === 0) continue; // after a ReLU many are
      for (let o = 0; o < nOut; o++) out[at + o] += a * weight[w + o];
    }
  }
  return out;
}

/** weight (in, out) times slope (out): (in). */
function timesTransposed(slope, weight) {
  const nOut = slope.length, found = new Float32Array(weight.length / nOut);
  for (let i = 0, k = 0; i < found.length; i++) {
    let sum = 0;
    for (let o = 0; o < nOut; o++, k++) sum += weight[k] * slope[o];
    found[i] = sum;
  }
  return found;
}

/** A kernel slid over x; from(o, k) is the place of the input for place k of the kernel at output o. */
function slide(x, side, outSide, { weight, bias, size }, from) {
  const nOut = bias.length, nIn = x.length / (side * side);
  const out = new Float32Array(outSide * outSide * nOut);
  const lines = Array.from({ length: outSide }, (_, o) => Array.from({ length: size }, (_, k) => [k, from(o, k)])
    .filter(([, i]) => Number.isInteger(i) && i >= 0 && i < side));
  for (let oy = 0; oy < outSide; oy++) for (let ox = 0; ox < outSide; ox++) {
    const at = (oy * outSide + ox) * nOut;
    for (let o = 0; o < nOut; o++) out[at + o] = bias[o];
    for (const [ky, iy] of lines[oy]) for (const [kx, ix] of lines[ox]) {
      const start = (iy * side + ix) * nIn, w = (ky * size + kx) * nIn;
      for (let i = 0; i < nIn; i++) {
        const a = x[start + i], row = (w + i) * nOut;
        for (let o = 0; o < nOut; o++) out[at + o] += a * weight[row + o];
      }
    }
  }
  return out;
}

/** Each group of channels of x (places, channels) to mean 0 and variance 1, then gain and offset. */
function groupNorm(x, { groups, epsilon, gain, offset }) {
  const n = gain.length, width = n / groups, places = x.length / n, out = new Float32Array(x.length);
  for (let g = 0; g < groups; g++) {
    let sum = 0, squares = 0;
    for (let p = 0; p < places; p++) for (let c = g * width; c < (g + 1) * width; c++) {
      const v = x[p * n + c];
      sum += v;
      squares += v * v;
    }
    const mean = sum / (places * width);
    const by = 1 / Math.sqrt(squares / (places * width) - mean * mean + epsilon);
    for (let p = 0; p < places; p++) for (let c = g * width; c < (g + 1) * width; c++) {
      out[p * n + c] = (x[p * n + c] - mean) * by * gain[c] + offset[c];
    }
  }
  return out;
}
