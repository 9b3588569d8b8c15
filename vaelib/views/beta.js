// The beta distribution, and the picture of prior and posterior: for both views of chapter 1.
import { axes, disc, key, line, thousands } from "./core.js";

// --- the mathematics ---------------------------------------------------------------------------

/** log Gamma(x) for x > 0: raised to x >= 10 by Gamma(x + 1) = x Gamma(x), then Stirling's series. */
export function logGamma(x) {
  let product = 1;
  for (; x < 10; x += 1) product *= x;
  const r = 1 / (x * x);
  const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / x;
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series - Math.log(product);
}

export function betaLogPdf(theta, a, b) {
  const logBeta = logGamma(a) + logGamma(b) - logGamma(a + b);
  // 0 * log 0 is 0 here: a flat prior has a density at 0 and 1 too
  const power = (n, x) => (n === 0 ? 0 : n * Math.log(x));
  return power(a - 1, theta) + power(b - 1, 1 - theta) - logBeta;
}

/** P(Theta < theta) under Beta(a, b), by the continued fraction of the incomplete beta function. */
export function betaCdf(theta, a, b) {
  if (theta <= 0) return 0;
  if (theta >= 1) return 1;
  // the fraction converges fast below the mean; above it, use the symmetry of the distribution
  if (theta > (a + 1) / (a + b + 2)) return 1 - betaCdf(1 - theta, b, a);
  const nonzero = (v) => (Math.abs(v) < 1e-300 ? 1e-300 : v);
  let d = 1 / nonzero(1 - ((a + b) * theta) / (a + 1));
  let c = 1;
  let fraction = d;
  for (let m = 1; m < 2000; m++) {
    const even = (m * (b - m) * theta) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * theta) / ((a + 2 * m) * (a + 2 * m + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / nonzero(1 + term * d);
      c = nonzero(1 + term / c);
      change = d * c;
      fraction *= change;
    }
    if (Math.abs(change - 1) < 1e-15) break;
  }
  const front = betaLogPdf(theta, a, b) + Math.log(theta) + Math.log1p(-theta) - Math.log(a);
  return Math.exp(front) * fraction;
}

/** The quantile of Beta(a, b) at p, by bisection. */
export function betaQuantile(p, a, b) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (betaCdf(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The central 95 % interval of Beta(a, b). */
export const interval = (a, b) => [betaQuantile(0.025, a, b), betaQuantile(0.975, a, b)];

/** P(|Theta - center| < radius) under Beta(a, b). */
export function within(a, b, center, radius) {
  return betaCdf(center + radius, a, b) - betaCdf(center - radius, a, b);
}

// --- the picture -------------------------------------------------------------------------------

const GRID = 600;

function curve([left, right], a, b) {
  const at = (i) => left + ((right - left) * (i + 0.5)) / GRID;
  return Array.from({ length: GRID }, (_, i) => [at(i), Math.exp(betaLogPdf(at(i), a, b))]);
}

/** The largest density of Beta(a, b), a and b at least 1. */
export function peak(a, b) {
  const mode = a + b > 2 ? (a - 1) / (a + b - 2) : 0.5;
  return Math.exp(betaLogPdf(Math.min(Math.max(mode, 1e-9), 1 - 1e-9), a, b));
}

/**
 * Prior Beta(prior, prior) (dashed) and posterior Beta(a, b) (filled) over `range`, the share of
 * heads (upright line), the 95 % interval as a bar with the mean as a dot.
 */
export function drawBelief(ctx, width, height, { range, top, prior, a, b, share }, tone) {
  const box = beliefFrame(width, height);
  const { x, y } = axes(ctx, box, range, [0, top], { xLabel: "\u03b8, the chance of heads", yLabel: "density", tone });
  const place = (points) => points.map(([px, py]) => [x(px), y(py)]);
  const posterior = place(curve(range, a, b));
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top - 2, box.right - box.left, box.bottom - box.top + 2);
  ctx.clip();
  ctx.globalAlpha = 0.18;
  ctx.fillStyle = tone.blue;
  ctx.beginPath();
  ctx.moveTo(posterior[0][0], box.bottom);
  posterior.forEach((p) => ctx.lineTo(...p));
  ctx.lineTo(posterior[GRID - 1][0], box.bottom);
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.lineWidth = 2;
  ctx.setLineDash([6, 4]);
  ctx.strokeStyle = tone.gray;
  line(ctx, place(curve(range, prior, prior)));
  ctx.strokeStyle = tone.orange;
  ctx.setLineDash([2, 3]);
  line(ctx, [[x(share), box.top], [x(share), box.bottom]]);
  ctx.setLineDash([]);
  ctx.strokeStyle = ctx.fillStyle = tone.blue;
  line(ctx, posterior);
  ctx.lineWidth = 3;
  const [low, high] = interval(a, b);
  line(ctx, [[x(low), y(0) - 8], [x(high), y(0) - 8]]);
  disc(ctx, x(a / (a + b)), y(0) - 8, 5);
  ctx.restore();
}

export const beliefFrame = (width, height) => ({ left: 46, top: 10, right: width - 22, bottom: height - 44 });
export const beliefRatio = (width) => (width < 480 ? 0.68 : 0.4);

/** What the marks of drawBelief mean. */
export function beliefKey(root, share) {
  key(root, [["\u2012 \u2012", "gray", "prior"], ["\u2501\u2501", "blue", "posterior (bar: mean and 95 % interval)"],
    ["\u250a", "orange", `${share}, the share of heads`]]);
}

export const isPowerOfTen = (n) => /^10*$/.test(n);
export const tosses = (n) => `${thousands(n)} ${n === 1 ? "toss" : "tosses"}`;
export const fourDigits = (x) => x.toFixed(4);
