// Chapter 10: a point on the plane of encoded images, and the image decoded there.
import { axes, begin, bind, canvas, colors, el, sentenceLine, steer } from "./core.js";
import { forward, ready, sigmoid } from "./network.js";
import { bitmap, grays, rgb } from "./pictures.js";

const NEIGHBORS = 15;
const HINT = "Drag over the plane, or move the point with the arrow keys: shift for larger steps, " +
  "Home for the center.";

/** The decoder as a function [z1, z2] => pixel probabilities. */
export function decoder({ layers, pixels, side }) {
  const stack = ready(layers);
  return (z) => {
    const image = new Float32Array(side * side);
    sigmoid(forward(stack, z)).forEach((p, i) => { image[pixels.values[i]] = p; });
    return image;
  };
}

/** [z1, z2] => [[class, votes], ...] of the nearest codes, most votes first. */
function voter(codes, labels) {
  return ([z1, z2]) => {
    const near = [];
    for (let i = 0; i < labels.length; i++) {
      const d = (codes[2 * i] - z1) ** 2 + (codes[2 * i + 1] - z2) ** 2;
      if (near.length === NEIGHBORS && d >= near[NEIGHBORS - 1][0]) continue;
      let k = near.length;
      while (k > 0 && near[k - 1][0] > d) k--;
      near.splice(k, 0, [d, labels[i]]);
      if (near.length > NEIGHBORS) near.pop();
    }
    const votes = new Map();
    for (const [, label] of near) votes.set(label, (votes.get(label) ?? 0) + 1);
    return [...votes].sort((a, b) => b[1] - a[1]);
  };
}

const article = (digit) => (digit === 8 ? "an 8" : `a ${digit}`);

export function render(props) {
  const view = begin(props);
  const { root, model, data } = view;
  const { extent, side } = data;
  const decode = decoder(data);
  const vote = voter(data.codes.values, data.labels.values);
  const put = bind(view, ["z"], changed);
  let point, picture; // what is drawn

  const row = el("div", { style: "display:flex;flex-wrap:wrap;gap:14px;align-items:center" }, root);
  const plane = el("div", {
    role: "slider", tabindex: 0, "aria-roledescription": "point on a plane",
    "aria-label": "Point of the latent plane: arrow keys move it, with shift in larger steps",
    "aria-valuemin": -extent, "aria-valuemax": extent,
    style: "flex:1 1 300px;max-width:460px;touch-action:pinch-zoom;cursor:crosshair;border-radius:4px",
  }, row);
  const shown = el("div", { style: "flex:1 1 150px;max-width:240px;margin:0 auto" }, row);
  const text = sentenceLine(root, [plane]);
  el("p", { style: "margin:4px 0 0;color:var(--vw-muted);font-size:13px", text: HINT }, root);

  const box = (width, height) => ({ left: 44, top: 8, right: width - 8, bottom: height - 44 });
  const back = { node: document.createElement("canvas"), key: "" };
  const map = canvas(plane, {
    ratio: 1, label: "Encoded images, colored and labeled by class, and the chosen point",
    draw(ctx, width, height) {
      ctx.drawImage(scatter(back, root, data, box(width, height), width, height), 0, 0, width, height);
      const { x, y } = scales(box(width, height), extent);
      marker(ctx, x(point[0]), y(point[1]), colors(root));
    },
  });
  const decoded = canvas(shown, {
    ratio: 1, label: "The decoded image",
    draw(ctx, width, height) {
      ctx.imageSmoothingEnabled = false;
      ctx.drawImage(picture, 0, 0, width, height);
    },
  });

  function changed() {
    point = model.get("z");
    picture = bitmap(side, grays(decode(point)));
    map.redraw();
    decoded.redraw();
    const [[first, n], second] = vote(point);
    const also = second ? `, ${second[1]} of ${article(second[0])}` : "";
    const at = point.map((v) => v.toFixed(2).replace("-", "\u2212")).join(", ");
    const sentence = `z = (${at}). Of the ${NEIGHBORS} nearest encoded images ` +
      `${n === NEIGHBORS ? "all" : n} are of ${article(first)}${also}.`;
    text.say(sentence);
    plane.setAttribute("aria-valuenow", point[0].toFixed(2));
    plane.setAttribute("aria-valuetext", sentence);
  }

  const move = (...z) => put({ z: z.map((v) => Math.max(-extent, Math.min(extent, v))) });
  steer(plane, map.node, { box, extent, at: () => point, move });
  plane.addEventListener("keydown", (event) => {
    if (event.key !== "Home" || event.altKey || event.ctrlKey || event.metaKey) return;
    move(0, 0);
    event.preventDefault();
  });

  changed();
  return view.end;
}

export default { render };

// --- drawing -----------------------------------------------------------------------------------

function scales({ left, top, right, bottom }, extent) {
  const to = (v, a, b) => a + ((v + extent) / (2 * extent)) * (b - a);
  return { x: (v) => to(v, left, right), y: (v) => to(v, bottom, top) };
}

/** The plane without the point, drawn once for each size and theme. */
function scatter(back, root, { codes, labels, classes, centers, ...data }, box, width, height) {
  const tone = colors(root);
  const density = window.devicePixelRatio || 1;
  const key = [width, height, density, tone.fg].join();
  if (back.key === key) return back.node;
  back.key = key;
  back.node.width = width * density;
  back.node.height = height * density;
  const ctx = back.node.getContext("2d");
  ctx.scale(density, density);
  ctx.font = "12px system-ui, sans-serif";
  const range = [-data.extent, data.extent];
  const { x, y } = axes(ctx, box, range, range, { xLabel: "z\u2081", yLabel: "z\u2082", tone, nx: 8, ny: 8 });
  const shades = data.colors.map((color) => readable(color, tone));
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  ctx.clip();
  ctx.globalAlpha = 0.6;
  labels.values.forEach((label, i) => {
    ctx.fillStyle = shades[label];
    ctx.fillRect(x(codes.values[2 * i]) - 1.3, y(codes.values[2 * i + 1]) - 1.3, 2.6, 2.6);
  });
  ctx.restore();
  classes.values.forEach((label, i) => {
    badge(ctx, x(centers.values[2 * i]), y(centers.values[2 * i + 1]), label, shades[label], tone);
  });
  return back.node;
}

function badge(ctx, px, py, label, color, tone) {
  ctx.beginPath();
  ctx.arc(px, py, 10, 0, 2 * Math.PI);
  ctx.fillStyle = tone.bg;
  ctx.fill();
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = color;
  ctx.stroke();
  ctx.fillStyle = color;
  ctx.font = "bold 13px system-ui, sans-serif";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(String(label), px, py + 0.5);
}

function marker(ctx, px, py, tone) {
  for (const [color, width] of [[tone.bg, 6], [tone.fg, 2.5]]) {
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    ctx.beginPath();
    ctx.arc(px, py, 8, 0, 2 * Math.PI);
    ctx.stroke();
  }
}

/** A class color moved toward white when the page is dark. */
function readable(color, tone) {
  const [r, g, b] = rgb(tone.bg);
  if (r + g + b > 384) return color;
  return `rgb(${rgb(color).map((v) => Math.round(0.6 * v + 0.4 * 255)).join()})`;
}
