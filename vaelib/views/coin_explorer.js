// Chapter 1: does the posterior lie close to the share of heads, for any prior and number of tosses?
import { begin, bind, canvas, choice, colors, disc, key, line, onPick, scale, sentenceLine, tell, thousands } from "./core.js";
import { beliefKey, beliefRatio, drawBelief, fourDigits, isPowerOfTen, peak, tosses, within } from "./beta.js";

/** Percent to one decimal, without claiming 0 or 100 where there is something left. */
export function percent(p) {
  if (p < 0.001) return "less than 0.1 %";
  if (p > 0.999) return "more than 99.9 %";
  return `${(100 * p).toFixed(1)} %`;
}

/** [a, b] of the posterior after n tosses with a share of heads, from the prior Beta(s, s). */
export function posterior(strength, n, share) {
  const heads = Math.round(share * n);
  return [strength + heads, strength + n - heads];
}

/** The sentence under the densities. */
export function sentence(strength, n, share, radius) {
  const [a, b] = posterior(strength, n, share);
  return `Beta(${strength}, ${strength}) and ${tosses(n)}, ${thousands(a - strength)} heads: posterior mean ` +
    `${fourDigits(a / (a + b))}; ${percent(within(a, b, share, radius))} of the posterior lies within ` +
    `${radius} of ${share}.`;
}

export function render(props) {
  const view = begin(props);
  const { root, model, data: { strengths, counts, thesis, share, radius } } = view;
  const put = bind(view, ["strength", "n_tosses"], changed);
  const masses = counts.map((n) => strengths.map((s) => within(...posterior(s, n, share), share, radius)));
  let strength, n; // what is drawn

  beliefKey(root, share);
  const upper = canvas(root, { ratio: (width) => 0.8 * beliefRatio(width), label: "Densities of the prior and of the posterior",
    draw(ctx, width, height) {
      const [a, b] = posterior(strength, n, share);
      const top = 1.15 * Math.max(peak(a, b), peak(strength, strength));
      drawBelief(ctx, width, height, { range: [0.4, 1], top, prior: strength, a, b, share }, colors(root));
    } });
  const prior = choice(root, { values: strengths, label: "Strength of the prior",
    show: (s) => `Prior Beta(${s}, ${s})`, onChange: (s) => put({ strength: s }) });
  const tossed = choice(root, { values: counts, label: "Number of tosses",
    show: (m) => `${tosses(m)}, ${thousands(Math.round(share * m))} heads`, onChange: (m) => put({ n_tosses: m }) });
  const text = sentenceLine(root);
  const lower = canvas(root, { ratio: (width) => (width < 480 ? 0.85 : 0.46),
    label: "Map: how much of the posterior lies close to the share of heads, for each prior strength and number of tosses",
    draw(ctx, width, height) {
      const chosen = [strengths.indexOf(strength), counts.indexOf(n)];
      drawMap(ctx, width, height, { strengths, counts, masses, thesis, chosen }, colors(root));
    } });
  key(root, [["\u25a0", "blue", `the stronger the color, the more of the posterior lies within ${radius} of ${share}`],
    ["\u2501\u2501", "orange", "above this line at least 95 %"], ["\u25a1", "fg", "your choice (click to move it)"]]);

  onPick(lower.node, (event) => {
    const { width, height } = lower.node.getBoundingClientRect();
    const { x, y } = cells(width, height, strengths, counts);
    const i = Math.floor((event.offsetX - x(0)) / (x(1) - x(0)));
    const j = Math.floor((event.offsetY - y(0)) / (y(1) - y(0)));
    if (i in strengths && j in counts) put({ strength: strengths[i], n_tosses: counts[j] });
  });

  function changed() {
    [strength, n] = [model.get("strength"), model.get("n_tosses")];
    prior.set(strength);
    tossed.set(n);
    text.say(sentence(strength, n, share, radius));
    [upper, lower].forEach((picture) => picture.redraw());
    const [a, b] = posterior(strength, n, share);
    tell(model, { mean: a / (a + b), mass: within(a, b, share, radius) });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

/** The frame of the map, and where column i and row j of it begin. */
function cells(width, height, strengths, counts) {
  const box = { left: 58, top: 8, right: width - 22, bottom: height - 44 };
  return {
    box,
    x: scale([0, strengths.length], [box.left, box.right]),
    y: scale([0, counts.length], [box.bottom, box.top]),
  };
}

function drawMap(ctx, width, height, { strengths, counts, masses, thesis, chosen: [i, j] }, tone) {
  const { box, x, y } = cells(width, height, strengths, counts);
  ctx.fillStyle = tone.blue;
  masses.forEach((row, r) => row.forEach((p, c) => {
    ctx.globalAlpha = 0.04 + 0.9 * p;
    ctx.fillRect(x(c), y(r + 1), x(1) - x(0) - 1, y(0) - y(1) - 1);
  }));
  ctx.globalAlpha = 1;
  // in each column the first number of tosses that gives 95 %
  const first = strengths.map((_, c) => masses.findIndex((row) => row[c] >= 0.95));
  ctx.strokeStyle = tone.orange;
  ctx.lineWidth = 2.5;
  line(ctx, first.flatMap((r, c) => (r < 0 ? [] : [[x(c), y(r)], [x(c + 1), y(r)]])));
  ctx.fillStyle = tone.muted;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  strengths.forEach((s, c) => isPowerOfTen(s) && ctx.fillText(thousands(s), x(c + 0.5), box.bottom + 5));
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  counts.forEach((n, r) => isPowerOfTen(n) && ctx.fillText(thousands(n), box.left - 5, y(r + 0.5)));
  ctx.fillStyle = tone.fg;
  ctx.textAlign = "center";
  ctx.fillText("a, the strength of the prior Beta(a, a)", (box.left + box.right) / 2, box.bottom + 30);
  ctx.save();
  ctx.translate(10, (box.top + box.bottom) / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.fillText("tosses", 0, 0);
  ctx.restore();
  const [c, r] = [strengths.indexOf(thesis[0]), counts.indexOf(thesis[1])];
  disc(ctx, x(c + 0.5), y(r + 0.5), 3.5);
  ctx.textAlign = "left";
  ctx.fillText("the thesis", x(c + 1) + 6, y(r + 0.5));
  ctx.strokeStyle = tone.fg;
  ctx.lineWidth = 3;
  ctx.strokeRect(x(i) - 1, y(j + 1) - 1, x(1) - x(0) + 1, y(0) - y(1) + 1);
}
