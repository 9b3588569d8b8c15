// Chapter 5: coordinate ascent on a mixture, sweep by sweep: the centers and the ELBO.
import { axes, begin, bind, canvas, colors, disc, el, key, line, menu, number, scale, stepper, tell } from "./core.js";

/** The sentence under the pictures. */
export function sentence(sweep, last, elbo, logEvidence) {
  const when = sweep === 0 ? "Before the first sweep" : `Sweep ${sweep} of ${last}`;
  return `${when}: ELBO ${number(elbo)}, ${number(logEvidence - elbo)} nats below log p(x).`;
}

// --- the view ----------------------------------------------------------------------------------

export function render(props) {
  const view = begin(props);
  const { root, model, data: { points, runs, log_evidence: logEvidence, axis_names: names } } = view;
  const put = bind(view, ["run_index", "sweep"], changed);
  let run, sweep; // what is drawn

  const chosen = menu(root, { label: "Run", names: runs.map((r) => r.name),
    onChange: (i) => put({ run_index: i, sweep: 0 }) });
  const views = el("div", { style: "display:flex;flex-wrap:wrap;gap:6px 14px" }, root);
  const half = () => el("div", { style: "flex:1 1 290px;min-width:0" }, views);
  const map = canvas(half(), { ratio: 0.86, label: "Map of the data and of the centers after this sweep",
    draw: (ctx, width, height) => drawMap(ctx, width, height, points, run, sweep, names, colors(root)) });
  const curve = canvas(half(), { ratio: 0.86,
    label: "Distance of the ELBO from the log evidence, by sweep, on a logarithmic axis",
    draw: (ctx, width, height) => drawCurve(ctx, width, height, run, sweep, logEvidence, colors(root)) });
  key(root, [["\u2460", "fg", "center of component 1, with its trajectory so far"],
    ["\u00b7", "fg", "a point, in the color of its most responsible component"]]);
  const frames = stepper(root, { n: runs[0].elbos.length, label: "Sweep", onGo: (i) => put({ sweep: i }) });
  view.onEnd(frames.pause);

  function changed() {
    const next = runs[model.get("run_index")];
    if (run !== next) {
      run = next;
      frames.pause();
      frames.resize(run.elbos.length);
    }
    const last = run.elbos.length - 1;
    sweep = Math.min(model.get("sweep"), last); // from Python the run may arrive before its sweep
    const elbo = run.elbos[sweep];
    chosen.value = runs.indexOf(run);
    frames.show(sweep, sentence(sweep, last, elbo, logEvidence));
    [map, curve].forEach((picture) => picture.redraw());
    tell(model, { sweep, elbo, gap: logEvidence - elbo });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

const INKS = ["blue", "orange", "green", "gray", "fg"];
const ink = (k) => INKS[k % INKS.length];

/** Ranges of both axes that hold all points, with one scale for both. */
export function squareRanges(values, width, height) {
  const range = (offset) => {
    const own = Array.from(values).filter((_, i) => i % 2 === offset);
    return [Math.min(...own), Math.max(...own)];
  };
  const [[left, right], [bottom, top]] = [range(0), range(1)];
  const unit = 1.08 * Math.max((right - left) / width, (top - bottom) / height, 1e-12);
  const around = (low, high, size) => [(low + high - unit * size) / 2, (low + high + unit * size) / 2];
  return [around(left, right, width), around(bottom, top, height)];
}

function drawMap(ctx, width, height, points, run, sweep, names, tone) {
  const box = { left: 44, top: 8, right: width - 10, bottom: height - 42 };
  const [xRange, yRange] = squareRanges(points.values, box.right - box.left, box.bottom - box.top);
  const { x, y } = axes(ctx, box, xRange, yRange, { xLabel: names[0], yLabel: names[1], tone });
  const [, k] = run.path.shape;
  const n = points.shape[0];
  ctx.globalAlpha = 0.6;
  for (let i = 0; i < n; i++) {
    ctx.fillStyle = tone[ink(run.assigned.values[sweep * n + i])];
    disc(ctx, x(points.values[2 * i]), y(points.values[2 * i + 1]), 2);
  }
  ctx.globalAlpha = 1;
  const at = (t, j) => [x(run.path.values[2 * (t * k + j)]), y(run.path.values[2 * (t * k + j) + 1])];
  ctx.strokeStyle = tone.fg;
  ctx.lineWidth = 1.4;
  for (let j = 0; j < k; j++) line(ctx, Array.from({ length: sweep + 1 }, (_, t) => at(t, j)));
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (let j = 0; j < k; j++) {
    const [px, py] = at(sweep, j);
    ctx.fillStyle = tone.bg;
    disc(ctx, px, py, 9.5);
    ctx.strokeStyle = tone[ink(j)];
    ctx.lineWidth = 3;
    ctx.stroke();
    ctx.fillStyle = tone.fg;
    ctx.fillText(String(j + 1), px, py + 0.5);
  }
}

/** The gap on an inverted logarithmic axis, so that the curve rises with the ELBO. */
function drawCurve(ctx, width, height, run, sweep, logEvidence, tone) {
  const box = { left: 64, top: 8, right: width - 12, bottom: height - 42 };
  const [, k] = run.path.shape;
  const switching = Array.from({ length: k }, (_, j) => Math.log(j + 1)).reduce((sum, v) => sum + v, 0); // log k!
  const gaps = run.elbos.map((elbo) => logEvidence - elbo);
  const decades = [10000, 1000, 100, 10];
  const floor = Math.min(switching, ...gaps) / 2.6;
  const { x } = axes(ctx, box, [0, gaps.length - 1], [0, 1], {
    xLabel: "sweep", yLabel: "nats below log p(x)", tone, ny: 0,
  });
  const log = scale([Math.log(Math.max(20000, ...gaps)), Math.log(floor)], [box.bottom, box.top]);
  const y = (gap) => log(Math.log(gap));
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.lineWidth = 1;
  for (const gap of decades) {
    ctx.strokeStyle = tone.line;
    line(ctx, [[box.left, y(gap)], [box.right, y(gap)]]);
    ctx.fillStyle = tone.muted;
    ctx.fillText(number(gap, 0), box.left - 5, y(gap));
  }
  ctx.strokeStyle = tone.orange;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([5, 4]);
  line(ctx, [[box.left, y(switching)], [box.right, y(switching)]]);
  ctx.setLineDash([]);
  ctx.fillStyle = tone.orange;
  ctx.textBaseline = "bottom";
  ctx.fillText(`log ${k}!, due to label switching`, box.right - 4, y(switching) - 4);
  ctx.strokeStyle = ctx.fillStyle = tone.blue;
  ctx.lineWidth = 2;
  line(ctx, gaps.slice(0, sweep + 1).map((gap, t) => [x(t), y(gap)]));
  disc(ctx, x(sweep), y(gaps[sweep]), 5);
}
