// Chapter 1: the posterior of a coin after each toss, and its mean and interval along the tosses.
import { axes, begin, bind, canvas, choice, colors, disc, key, line, scale, stepper, tell, thousands } from "./core.js";
import { beliefFrame, beliefKey, beliefRatio, drawBelief, fourDigits, interval, isPowerOfTen, peak, tosses } from "./beta.js";

/** The sentence under the pictures. */
export function sentence(strength, n, heads, share) {
  const [a, b] = [strength + heads, strength + n - heads];
  const [low, high] = interval(a, b);
  const when = n === 0 ? "Before the first toss" : `After ${tosses(n)}, ${thousands(heads)} heads`;
  const inside = low < share && share < high ? "inside" : "outside";
  return `${when}: Beta(${a}, ${b}), mean ${fourDigits(a / (a + b))}, 95 % interval ` +
    `${fourDigits(low)} to ${fourDigits(high)}; ${share} is ${inside}.`;
}

export function render(props) {
  const view = begin(props);
  const { root, model, data: { stops, strengths, share, heads: { values: heads } } } = view;
  const put = bind(view, ["n_tosses", "strength"], changed);
  // the lower picture has about 60 more of the tosses, evenly spread on its logarithmic axis
  const last = stops.at(-1);
  const spread = Array.from({ length: 61 }, (_, i) => Math.round((last + 1) ** (i / 60) - 1));
  const drawn = [...new Set([...stops, ...spread])].sort((p, q) => p - q);
  const after = (n) => [strength + heads[n], strength + n - heads[n]];
  let n, strength; // what is drawn
  let trace = []; // mean and interval after each of the drawn tosses

  beliefKey(root, share);
  const upper = canvas(root, { ratio: beliefRatio, label: "Densities of the prior and of the posterior",
    draw(ctx, width, height) {
      const [a, b] = after(n);
      const top = 1.12 * Math.max(peak(strength, strength), ...stops.map((m) => peak(...after(m))));
      drawBelief(ctx, width, height, { range: [0, 1], top, prior: strength, a, b, share }, colors(root));
    } });
  const lower = canvas(root, { ratio: (width) => 0.75 * beliefRatio(width),
    label: "Posterior mean and 95 % interval against the number of tosses",
    draw: (ctx, width, height) => drawTrace(ctx, width, height, { trace, n, stops, heads, share }, colors(root)) });
  key(root, [["\u25cf", "blue", "posterior mean, band: 95 % interval"], ["\u2501\u2501", "green", "share of heads so far"]]);

  const prior = choice(root, { values: strengths, label: "Strength of the prior",
    show: (a) => `Prior Beta(${a}, ${a})`,
    onChange: (a) => put({ strength: a }) });
  const frames = stepper(root, { n: stops.length, label: "Number of tosses", onGo: (i) => put({ n_tosses: stops[i] }) });
  view.onEnd(frames.pause);

  function changed() {
    n = model.get("n_tosses");
    if (strength !== model.get("strength")) {
      strength = model.get("strength");
      frames.pause();
      trace = drawn.map((m) => {
        const [a, b] = after(m);
        return { n: m, mean: a / (a + b), interval: interval(a, b) };
      });
    }
    prior.set(strength);
    frames.show(stops.indexOf(n), sentence(strength, n, heads[n], share));
    [upper, lower].forEach((picture) => picture.redraw());
    const { mean, interval: ends } = trace[drawn.indexOf(n)];
    tell(model, { mean, interval: ends });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

function drawTrace(ctx, width, height, { trace, n, stops, heads, share }, tone) {
  const box = beliefFrame(width, height);
  const log = scale([0, Math.log1p(stops.at(-1))], [box.left, box.right]);
  const x = (m) => log(Math.log1p(m));
  const { y } = axes(ctx, box, [0, 1], [0, 1], { xLabel: "tosses (logarithmic)", yLabel: "\u03b8", tone, nx: 0 });
  verticals(ctx, [0, ...stops.filter(isPowerOfTen)], x, box, tone);
  ctx.fillStyle = tone.blue;
  ctx.globalAlpha = 0.2;
  ctx.beginPath();
  trace.forEach((p) => ctx.lineTo(x(p.n), y(p.interval[0])));
  [...trace].reverse().forEach((p) => ctx.lineTo(x(p.n), y(p.interval[1])));
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = tone.orange;
  ctx.setLineDash([2, 3]);
  line(ctx, [[box.left, y(share)], [box.right, y(share)]]);
  ctx.setLineDash([]);
  ctx.strokeStyle = tone.green;
  line(ctx, trace.filter((p) => p.n > 0).map((p) => [x(p.n), y(heads[p.n] / p.n)]));
  ctx.strokeStyle = tone.blue;
  ctx.lineWidth = 2;
  line(ctx, trace.map((p) => [x(p.n), y(p.mean)]));
  ctx.fillStyle = tone.blue;
  disc(ctx, x(n), y(trace.find((p) => p.n === n).mean), 6);
}

/** A light vertical line and a label at each of the values, which the map x places. */
function verticals(ctx, values, x, box, tone) {
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
