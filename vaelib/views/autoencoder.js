// Chapter 7: the exact denoiser and a trained one move a point of the plane, step by step.
import {
  axes, begin, bind, canvas, choice, colors, disc, el, key, line, number, scale, steer, stepper, tell,
} from "./core.js";

// --- the mathematics ---------------------------------------------------------------------------

const N_STEPS = 30; // as in autoencoder.py

/** An array (K, 2) as a list of points. */
function pairs({ values, shape: [n] }) {
  return Array.from({ length: n }, (_, k) => [values[2 * k], values[2 * k + 1]]);
}

/** Squared distances from x to the points of the curve, and the least of them. */
function squaresTo(curve, [x1, x2]) {
  const squares = curve.map(([c1, c2]) => (x1 - c1) ** 2 + (x2 - c2) ** 2);
  return { squares, least: Math.min(...squares) };
}

/** The posterior mean of the clean point. */
export function bestDenoiser(curve, std, x) {
  const { squares, least } = squaresTo(curve, x);
  let [total, m1, m2] = [0, 0, 0];
  curve.forEach(([c1, c2], k) => {
    const w = Math.exp((least - squares[k]) / (2 * std ** 2));
    total += w;
    m1 += w * c1;
    m2 += w * c2;
  });
  return [m1 / total, m2 / total];
}

/** r(x) - x of trained denoiser number `s`: linear between grid points, clamped outside. */
export function arrowAt({ values, shape: [, side] }, s, extent, x) {
  const last = side - 1;
  const place = x.map((v) => Math.max(0, Math.min(1, (v + extent) / (2 * extent))) * last);
  const [i, j] = place.map((p) => Math.min(Math.floor(p), last - 1));
  const [u, v] = [place[0] - i, place[1] - j];
  const at = (a, b, c) => values[2 * ((s * side + a) * side + b) + c];
  return [0, 1].map((c) => (1 - u) * ((1 - v) * at(i, j, c) + v * at(i, j + 1, c)) +
    u * ((1 - v) * at(i + 1, j, c) + v * at(i + 1, j + 1, c)));
}

/** The points that the exact and the trained denoiser visit from `start`, N_STEPS + 1 each. */
export function walks(curve, { stds, learned, extent }, s, start) {
  const [exact, trained] = [[start], [start]];
  for (let t = 0; t < N_STEPS; t++) {
    exact.push(bestDenoiser(curve, stds[s], exact[t]));
    const arrow = arrowAt(learned, s, extent, trained[t]);
    trained.push(trained[t].map((v, c) => v + arrow[c]));
  }
  return [exact, trained];
}

/** The sentence under the picture. */
function sentence(curve, std, trajectories, step) {
  const where = ["exact", "trained"].map((name, k) => {
    const [x1, x2] = trajectories[k][step];
    const distance = Math.sqrt(squaresTo(curve, [x1, x2]).least);
    return `${name} (${number(x1)}, ${number(x2)}), ${number(distance)} from the curve`;
  });
  return `Noise ${number(std)}, step ${step} of ${N_STEPS}: ${where.join("; ")}.`;
}

// --- the view ----------------------------------------------------------------------------------

const LONGEST = 0.8; // of the distance between two arrows; longer ones are cut
const ARROWS = 13; // rows and columns of them
const SHADE = 64; // rows and columns of cells of the density
const HINT = "Drag over the plane, or move the start with the arrow keys: shift for larger steps.";

export function render(props) {
  const view = begin(props);
  const { root, model: traits, data } = view;
  const { stds, extent } = data;
  const curve = pairs(data.curve);
  const put = bind(view, ["noise_std", "start", "step"], changed);
  const back = { node: document.createElement("canvas"), mark: "" };
  let s, trajectories, step; // what is drawn

  key(root, [["\u2501", "gray", "data"], ["\u25cf", "fg", "exact denoiser"], ["\u25a0", "blue", "trained denoiser (dashed)"]]);
  const plane = el("div", {
    role: "slider", tabindex: 0, "aria-roledescription": "point on a plane",
    "aria-label": "Start of the walk: arrow keys move it, with shift in larger steps",
    "aria-valuemin": -extent, "aria-valuemax": extent,
    style: "max-width:480px;margin:0 auto;touch-action:pinch-zoom;cursor:crosshair;border-radius:4px",
  }, root);
  const box = (width, height) => ({ left: 44, top: 8, right: width - 8, bottom: height - 44 });
  const map = canvas(plane, { ratio: 1,
    label: "The curve, the density of the noisy data, arrows of both denoisers and the trajectories of a point",
    draw(ctx, width, height) {
      const tone = colors(root);
      ctx.drawImage(backdrop(back, curve, data, s, box(width, height), width, height, tone), 0, 0, width, height);
      drawTrajectories(ctx, box(width, height), extent, trajectories.map((points) => points.slice(0, step + 1)), tone);
    } });
  el("p", { style: "margin:4px 0 0;color:var(--vw-muted);font-size:13px", text: HINT }, root);
  const noise = choice(root, { values: stds, label: "Noise level", show: (std) => `noise level s = ${std}`,
    onChange: (std) => byHand({ noise_std: std }) });
  const steps = stepper(root, { n: N_STEPS + 1, label: "Step", milliseconds: 300, onGo: (t) => put({ step: t }) });
  steer(plane, map.node, { box, extent, at: () => traits.get("start"),
    move: (x1, x2) => byHand({ start: [x1, x2].map((v) => Math.max(-extent, Math.min(extent, v))) }) });

  /** Another setting starts at the first step. */
  function byHand(values) {
    steps.pause();
    put({ ...values, step: 0 });
  }

  function changed() {
    const start = traits.get("start");
    [s, step] = [stds.indexOf(traits.get("noise_std")), traits.get("step")];
    trajectories = walks(curve, data, s, start);
    noise.set(stds[s]);
    plane.setAttribute("aria-valuenow", start[0].toFixed(2));
    plane.setAttribute("aria-valuetext", `Start at (${start.map((v) => number(v)).join(", ")})`);
    map.redraw();
    steps.show(step, sentence(curve, stds[s], trajectories, step));
    tell(traits, { exact: trajectories[0][step], trained: trajectories[1][step] });
  }

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

/** Density, curve and arrows, drawn once per noise level, size and theme. */
function backdrop(back, curve, { stds, learned, extent }, s, box, width, height, tone) {
  const density = window.devicePixelRatio || 1;
  const mark = [s, width, height, density, tone.fg].join();
  if (back.mark === mark) return back.node;
  back.mark = mark;
  back.node.width = width * density;
  back.node.height = height * density;
  const ctx = back.node.getContext("2d");
  ctx.scale(density, density);
  ctx.font = "12px system-ui, sans-serif";
  const range = [-extent, extent];
  shade(ctx, curve, stds[s], extent, box, tone);
  const { x, y } = axes(ctx, box, range, range, { xLabel: "x\u2081", yLabel: "x\u2082", tone });
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  ctx.strokeStyle = tone.gray;
  ctx.lineWidth = 4;
  line(ctx, curve.map(([c1, c2]) => [x(c1), y(c2)]));
  for (let i = 0; i < ARROWS; i++) {
    for (let j = 0; j < ARROWS; j++) {
      const at = [i, j].map((k) => ((k + 0.5) / ARROWS) * 2 * extent - extent);
      const best = bestDenoiser(curve, stds[s], at).map((v, c) => v - at[c]);
      for (const [arrow, ink, head] of [[best, tone.fg, 8], [arrowAt(learned, s, extent, at), tone.blue, 5]]) {
        ctx.strokeStyle = ctx.fillStyle = ink;
        ctx.lineWidth = head / 3 - 0.2; // the exact arrow below, the trained one thinner on top
        const cut = Math.min(1, (LONGEST * 2 * extent) / ARROWS / Math.hypot(...arrow));
        arrowFrom(ctx, [x(at[0]), y(at[1])], [x(at[0] + cut * arrow[0]), y(at[1] + cut * arrow[1])], head);
      }
    }
  }
  ctx.restore();
  return back.node;
}

function shade(ctx, curve, std, extent, box, tone) {
  const cell = [(box.right - box.left) / SHADE, (box.bottom - box.top) / SHADE];
  const heights = [];
  for (let i = 0; i < SHADE; i++) {
    for (let j = 0; j < SHADE; j++) {
      const at = [i, j].map((k) => ((k + 0.5) / SHADE) * 2 * extent - extent);
      heights.push(squaresTo(curve, at).squares.reduce((sum, q) => sum + Math.exp(-q / (2 * std ** 2)), 0));
    }
  }
  const top = Math.max(...heights);
  ctx.fillStyle = tone.gray;
  heights.forEach((h, k) => {
    const [i, j] = [Math.floor(k / SHADE), k % SHADE];
    const [px, nextX] = [i, i + 1].map((n) => Math.round(box.left + n * cell[0]));
    const [py, nextY] = [j + 1, j].map((n) => Math.round(box.bottom - n * cell[1]));
    ctx.globalAlpha = (0.45 * h) / top;
    ctx.fillRect(px, py, nextX - px, nextY - py);
  });
  ctx.globalAlpha = 1;
}

/** A line with a head at its end, as large as its length allows. */
function arrowFrom(ctx, start, end, size) {
  line(ctx, [start, end]);
  const [dx, dy] = [end[0] - start[0], end[1] - start[1]];
  const length = Math.hypot(dx, dy);
  if (length < 1) return;
  const head = Math.min(size, 0.7 * length);
  const [ux, uy] = [(dx / length) * head, (dy / length) * head];
  ctx.beginPath();
  ctx.moveTo(...end);
  ctx.lineTo(end[0] - ux - 0.5 * uy, end[1] - uy + 0.5 * ux);
  ctx.lineTo(end[0] - ux + 0.5 * uy, end[1] - uy - 0.5 * ux);
  ctx.fill();
}

function drawTrajectories(ctx, box, extent, trajectories, tone) {
  const x = scale([-extent, extent], [box.left, box.right]);
  const y = scale([-extent, extent], [box.bottom, box.top]);
  [tone.fg, tone.blue].forEach((ink, k) => {
    const points = trajectories[k].map(([x1, x2]) => [x(x1), y(x2)]);
    for (const [color, width] of [[tone.bg, 5], [ink, 2.5]]) {
      ctx.strokeStyle = color;
      ctx.lineWidth = width;
      ctx.setLineDash(k ? [6, 4] : []);
      line(ctx, points);
    }
    ctx.setLineDash([]);
    const [px, py] = points.at(-1);
    ctx.fillStyle = ink;
    ctx.strokeStyle = tone.bg;
    ctx.lineWidth = 2;
    if (k === 0) {
      disc(ctx, px, py, 8);
      ctx.stroke();
    } else {
      ctx.fillRect(px - 4.5, py - 4.5, 9, 9);
      ctx.strokeRect(px - 4.5, py - 4.5, 9, 9);
    }
  });
}
