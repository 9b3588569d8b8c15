// Chapter 1: what a believer in a fair coin thinks after each toss, and how long it takes.
import { axes, canvas, choice, colors, disc, el, key, line, onPick, scale, stepper, thousands } from "./core.js";

// --- the Beta distribution -------------------------------------------------------------

/** log Gamma(x), x > 0: climb to x >= 10 by Gamma(x + 1) = x Gamma(x), then Stirling's series. */
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
  // the fraction converges fast below the mean; above it, look from the other side
  if (theta > (a + 1) / (a + b + 2)) return 1 - betaCdf(1 - theta, b, a);
  const away = (v) => (Math.abs(v) < 1e-300 ? 1e-300 : v);
  let d = 1 / away(1 - ((a + b) * theta) / (a + 1));
  let c = 1;
  let fraction = d;
  for (let m = 1; m < 2000; m++) {
    const even = (m * (b - m) * theta) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * theta) / ((a + 2 * m) * (a + 2 * m + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / away(1 + term * d);
      c = away(1 + term / c);
      change = d * c;
      fraction *= change;
    }
    if (Math.abs(change - 1) < 1e-15) break;
  }
  const front = betaLogPdf(theta, a, b) + Math.log(theta) + Math.log1p(-theta) - Math.log(a);
  return Math.exp(front) * fraction;
}

/** The theta below which a share p of Beta(a, b) lies, by halving. */
export function betaQuantile(p, a, b) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (betaCdf(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

export const interval = (a, b) => [betaQuantile(0.025, a, b), betaQuantile(0.975, a, b)];

// --- words -----------------------------------------------------------------------------

const fixed = (x) => x.toFixed(4);
const tosses = (n) => `${thousands(n)} ${n === 1 ? "toss" : "tosses"}`;

/** Percent to one decimal, without claiming 0 or 100 where there is something left. */
export function percent(p) {
  if (p < 0.001) return "less than 0.1 %";
  if (p > 0.999) return "more than 99.9 %";
  return `${(100 * p).toFixed(1)} %`;
}

function sequenceText(prior, n, heads, share) {
  const [a, b] = [prior + heads, prior + n - heads];
  const [low, high] = interval(a, b);
  const when = n === 0 ? "Before the first toss" : `After ${tosses(n)}, ${thousands(heads)} heads`;
  const inside = low < share && share < high ? "inside" : "outside";
  return `${when}: Beta(${a}, ${b}), mean ${fixed(a / (a + b))}, 95 % interval ` +
    `${fixed(low)} to ${fixed(high)}; ${share} is ${inside}.`;
}

function claimText(prior, n, share, radius) {
  const [a, b] = [prior + share * n, prior + (1 - share) * n].map(Math.round);
  return `Beta(${prior}, ${prior}) and ${tosses(n)}, ${thousands(Math.round(share * n))} heads: mean ` +
    `${fixed(a / (a + b))}; ${percent(within(a, b, share, radius))} of the belief lies within ` +
    `${radius} of ${share}.`;
}

/** P(|Theta - center| < radius) under Beta(a, b). */
export function within(a, b, center, radius) {
  return betaCdf(center + radius, a, b) - betaCdf(center - radius, a, b);
}

// --- drawing ---------------------------------------------------------------------------

const GRID = 600;

function curve([left, right], a, b) {
  const at = (i) => left + ((right - left) * (i + 0.5)) / GRID;
  return Array.from({ length: GRID }, (_, i) => [at(i), Math.exp(betaLogPdf(at(i), a, b))]);
}

function peak(a, b) {
  const mode = a + b > 2 ? (a - 1) / (a + b - 2) : 0.5;
  return Math.exp(betaLogPdf(Math.min(Math.max(mode, 1e-9), 1 - 1e-9), a, b));
}

/** Prior (dashed), posterior (filled), the share of heads (upright line). */
function densities(ctx, { x, y }, box, range, prior, a, b, share, tone) {
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
  ctx.strokeStyle = tone.blue;
  line(ctx, posterior);
  ctx.restore();
}

/** The 95 % interval as a bar with its mean as a dot, at height py. */
function bar(ctx, x, py, a, b, tone) {
  const [low, high] = interval(a, b);
  ctx.strokeStyle = ctx.fillStyle = tone.blue;
  ctx.lineWidth = 3;
  line(ctx, [[x(low), py], [x(high), py]]);
  disc(ctx, x(a / (a + b)), py, 5);
}

const frame = (width, height) => ({ left: 46, top: 10, right: width - 22, bottom: height - 44 });
const tall = (width) => (width < 480 ? 0.68 : 0.4);

// --- the two views ---------------------------------------------------------------------

export function mount(root, data) {
  return data.kind === "sequence" ? mountSequence(root, data) : mountClaim(root, data);
}

/** Toss by toss: the density above, the path of mean and interval below. */
function mountSequence(root, { steps, heads, strengths, start, share }) {
  const ns = Array.from(steps.values);
  const seen = heads.values;
  const last = ns[ns.length - 1];
  key(root, [["\u2012 \u2012", "gray", "prior"], ["\u2501\u2501", "blue", "posterior (bar: mean and 95 % interval)"],
    ["\u250a", "orange", `${share}, the share of heads`]]);
  let step = 0;
  let path = [];
  const at = (n) => [prior.value() + seen[n], prior.value() + n - seen[n]];
  // the path is drawn at about 60 of the tosses, evenly spread on the logarithmic axis
  const stops = [...new Set([...ns, ...Array.from({ length: 61 },
    (_, i) => Math.round((last + 1) ** (i / 60) - 1))])].sort((p, q) => p - q);

  const upper = canvas(root, { ratio: tall, label: "Density of the belief about theta", draw(ctx, width, height) {
    const tone = colors(root);
    const box = frame(width, height);
    const top = 1.12 * Math.max(peak(prior.value(), prior.value()), ...ns.map((n) => peak(...at(n))));
    const map = axes(ctx, box, [0, 1], [0, top], { xLabel: "\u03b8, the chance of heads", yLabel: "density", tone });
    densities(ctx, map, box, [0, 1], prior.value(), ...at(ns[step]), share, tone);
    bar(ctx, map.x, map.y(0) - 8, ...at(ns[step]), tone);
  } });

  const lower = canvas(root, { ratio: (width) => 0.75 * tall(width), label: "Posterior mean and interval against the number of tosses", draw(ctx, width, height) {
    const tone = colors(root);
    const box = frame(width, height);
    const log = scale([0, Math.log1p(last)], [box.left, box.right]);
    const x = (n) => log(Math.log1p(n));
    const { y } = axes(ctx, box, [0, 1], [0, 1], { xLabel: "tosses (logarithmic)", yLabel: "\u03b8", tone, nx: 0 });
    decades(ctx, [0, ...ns.filter((n) => /^10*$/.test(n))], x, box, tone);
    ctx.fillStyle = tone.blue;
    ctx.globalAlpha = 0.2;
    ctx.beginPath();
    path.forEach((p) => ctx.lineTo(x(p.n), y(p.low)));
    [...path].reverse().forEach((p) => ctx.lineTo(x(p.n), y(p.high)));
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.lineWidth = 1.5;
    ctx.strokeStyle = tone.orange;
    ctx.setLineDash([2, 3]);
    line(ctx, [[box.left, y(share)], [box.right, y(share)]]);
    ctx.setLineDash([]);
    ctx.strokeStyle = tone.green;
    line(ctx, path.filter((p) => p.n > 0).map((p) => [x(p.n), y(seen[p.n] / p.n)]));
    ctx.strokeStyle = tone.blue;
    ctx.lineWidth = 2;
    line(ctx, path.map((p) => [x(p.n), y(p.mean)]));
    ctx.fillStyle = tone.blue;
    const [a, b] = at(ns[step]);
    disc(ctx, x(ns[step]), y(a / (a + b)), 6);
  } });
  key(root, [["\u25cf", "blue", "posterior mean, band: 95 % interval"], ["\u2501\u2501", "green", "share of heads so far"]]);

  const prior = choice(root, {
    values: Array.from(strengths.values), start, label: "Strength of the prior",
    show: (a) => `Prior Beta(${a}, ${a})`,
    onChange: () => { trace(); frames.show(step); },
  });
  function trace() {
    path = stops.map((n) => {
      const [a, b] = at(n);
      const [low, high] = interval(a, b);
      return { n, low, high, mean: a / (a + b) };
    });
  }
  trace();
  const frames = stepper(root, { n: ns.length, label: "Number of tosses", onStep(i) {
    step = i;
    upper.redraw();
    lower.redraw();
    return sequenceText(prior.value(), ns[i], seen[ns[i]], share);
  } });
}

function decades(ctx, values, x, box, tone) {
  ctx.lineWidth = 1;
  ctx.strokeStyle = tone.line;
  ctx.fillStyle = tone.muted;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const v of values) {
    line(ctx, [[x(v), box.top], [x(v), box.bottom]]);
    ctx.fillText(thousands(v), x(v), box.bottom + 5);
  }
}

/** Any prior strength against any number of tosses: does the belief sit close to the share? */
function mountClaim(root, { strengths, counts, start, share, radius }) {
  const [as, ns] = [Array.from(strengths.values), Array.from(counts.values)];
  const after = (a, n) => [a + share * n, a + (1 - share) * n];
  const mass = ns.map((n) => as.map((a) => within(...after(a, n), share, radius)));
  const range = [0.4, 1];

  key(root, [["\u2012 \u2012", "gray", "prior"], ["\u2501\u2501", "blue", "posterior (bar: mean and 95 % interval)"],
    ["\u250a", "orange", `${share}, the share of heads`]]);
  const upper = canvas(root, { ratio: (width) => 0.8 * tall(width), label: "Density of the belief about theta", draw(ctx, width, height) {
    const tone = colors(root);
    const box = frame(width, height);
    const [a, b] = after(prior.value(), tossed.value());
    const top = 1.15 * Math.max(peak(a, b), peak(prior.value(), prior.value()));
    const map = axes(ctx, box, range, [0, top], { xLabel: "\u03b8, the chance of heads", yLabel: "density", tone });
    densities(ctx, map, box, range, prior.value(), a, b, share, tone);
    bar(ctx, map.x, map.y(0) - 8, a, b, tone);
  } });

  const prior = choice(root, { values: as, start: start[0], label: "Strength of the prior",
    show: (a) => `Prior Beta(${a}, ${a})`, onChange: update });
  const tossed = choice(root, { values: ns, start: start[1], label: "Number of tosses",
    show: (n) => `${tosses(n)}, ${thousands(Math.round(share * n))} heads`, onChange: update });
  const text = el("p", { class: "vw-text", "aria-live": "polite" }, root);

  const cells = { left: 58, top: 8, bottom: 44, right: 22 };
  function grid(width, height) {
    const box = { left: cells.left, top: cells.top, right: width - cells.right, bottom: height - cells.bottom };
    return { box, x: scale([0, as.length], [box.left, box.right]), y: scale([0, ns.length], [box.bottom, box.top]) };
  }
  const lower = canvas(root, { ratio: (width) => (width < 480 ? 0.85 : 0.46), label: "Map: how much of the belief lies close to the share of heads, for each prior strength and number of tosses", draw(ctx, width, height) {
    const tone = colors(root);
    const { box, x, y } = grid(width, height);
    ctx.fillStyle = tone.blue;
    mass.forEach((row, j) => row.forEach((p, i) => {
      ctx.globalAlpha = 0.04 + 0.9 * p;
      ctx.fillRect(x(i), y(j + 1), x(1) - x(0) - 1, y(0) - y(1) - 1);
    }));
    ctx.globalAlpha = 1;
    // the frontier: in each column the first number of tosses that gives 95 %
    const first = as.map((_, i) => mass.findIndex((row) => row[i] >= 0.95));
    ctx.strokeStyle = tone.orange;
    ctx.lineWidth = 2.5;
    line(ctx, first.flatMap((j, i) => (j < 0 ? [] : [[x(i), y(j)], [x(i + 1), y(j)]])));
    ctx.fillStyle = tone.muted;
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    as.forEach((a, i) => /^10*$/.test(a) && ctx.fillText(thousands(a), x(i + 0.5), box.bottom + 5));
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    ns.forEach((n, j) => /^10*$/.test(n) && ctx.fillText(thousands(n), box.left - 5, y(j + 0.5)));
    ctx.fillStyle = tone.fg;
    ctx.textAlign = "center";
    ctx.fillText("a, the strength of the prior Beta(a, a)", (box.left + box.right) / 2, box.bottom + 30);
    ctx.save();
    ctx.translate(10, (box.top + box.bottom) / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText("tosses", 0, 0);
    ctx.restore();
    const [home, floor] = [as.indexOf(start[0]), ns.indexOf(start[1])];
    disc(ctx, x(home + 0.5), y(floor + 0.5), 3.5);
    ctx.textAlign = "left";
    ctx.fillText("the thesis", x(home + 1) + 6, y(floor + 0.5));
    const [i, j] = [as.indexOf(prior.value()), ns.indexOf(tossed.value())];
    ctx.strokeStyle = tone.fg;
    ctx.lineWidth = 3;
    ctx.strokeRect(x(i) - 1, y(j + 1) - 1, x(1) - x(0) + 1, y(0) - y(1) + 1);
  } });
  key(root, [["\u25a0", "blue", `the stronger the color, the more of the belief lies within ${radius} of ${share}`],
    ["\u2501\u2501", "orange", "95 % from here up"], ["\u25a1", "fg", "your choice (click to move it)"]]);

  const pick = (event) => {
    const { width, height } = lower.node.getBoundingClientRect();
    const { x, y } = grid(width, height);
    const [i, j] = [(event.offsetX - x(0)) / (x(1) - x(0)), (event.offsetY - y(0)) / (y(1) - y(0))].map(Math.floor);
    if (i < 0 || j < 0 || i >= as.length || j >= ns.length) return;
    prior.set(i);
    tossed.set(j);
    update();
  };
  onPick(lower.node, pick);

  function update() {
    text.textContent = claimText(prior.value(), tossed.value(), share, radius);
    upper.redraw();
    lower.redraw();
  }
  update();
}
