// The latent explorer: a point on the plane of encoded images, and the image decoded there.

import { axes, canvas, colors, el, steer } from "./core.js";

const NEIGHBORS = 15;
const HINT = "Drag over the plane, or move the point with the arrow keys: shift for larger steps, " +
  "Home for the center.";

export function mount(root, data) {
  const { extent, side } = data;
  const decode = decoder(data.decoder);
  const vote = voter(data.z.values, data.labels.values);
  let point = [0, 0];

  const row = el("div", { style: "display:flex;flex-wrap:wrap;gap:14px;align-items:center" }, root);
  const plane = el("div", {
    role: "slider", tabindex: 0, "aria-roledescription": "point on a plane",
    "aria-label": "Point of the latent plane: arrow keys move it, with shift in larger steps",
    "aria-valuemin": -extent, "aria-valuemax": extent,
    style: "flex:1 1 300px;max-width:460px;touch-action:pinch-zoom;cursor:crosshair;border-radius:4px",
  }, row);
  const shown = el("div", { style: "flex:1 1 150px;max-width:240px;margin:0 auto" }, row);
  const text = el("p", { class: "vw-text", "aria-live": "polite" }, root);
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
  const small = el("canvas", { width: side, height: side });
  const image = small.getContext("2d").createImageData(side, side);
  const digit = canvas(shown, {
    ratio: 1, label: "The decoded image",
    draw(ctx, width, height) {
      ctx.imageSmoothingEnabled = false;
      ctx.drawImage(small, 0, 0, width, height);
    },
  });

  function move(z1, z2) {
    point = [z1, z2].map((v) => Math.max(-extent, Math.min(extent, v)));
    decode(...point).forEach((p, i) => image.data.fill(Math.round(255 * p), 4 * i, 4 * i + 3));
    for (let i = 3; i < image.data.length; i += 4) image.data[i] = 255;
    small.getContext("2d").putImageData(image, 0, 0);
    map.redraw();
    digit.redraw();
    const [[first, n], second] = vote(...point);
    const also = second ? `, ${second[1]} of a ${second[0]}` : "";
    const at = point.map((v) => v.toFixed(2).replace("-", "\u2212")).join(", ");
    text.textContent = `z = (${at}). Of the ${NEIGHBORS} nearest encoded images ` +
      `${n === NEIGHBORS ? "all" : n} are of a ${first}${also}.`;
    plane.setAttribute("aria-valuenow", point[0].toFixed(2));
    plane.setAttribute("aria-valuetext", text.textContent);
  }

  steer(plane, map.node, { box, extent, at: () => point, move });
  // The plane in focus says its aria-valuetext; the same words below would be a second voice.
  plane.addEventListener("focus", () => text.setAttribute("aria-live", "off"));
  plane.addEventListener("blur", () => text.setAttribute("aria-live", "polite"));
  plane.addEventListener("keydown", (event) => {
    if (event.key !== "Home" || event.altKey || event.ctrlKey || event.metaKey) return;
    move(0, 0);
    event.preventDefault();
  });

  move(0, 0);
  Object.assign(root, { decode: (z1, z2) => Array.from(decode(z1, z2)), move, at: () => point });
}

/** The decoder as a function (z1, z2) => pixel probabilities; its buffers are used again. */
function decoder({ layers, pixels, n_pixels: nPixels }) {
  const stack = layers.map(({ weight, scale, bias }) => {
    const [nOut, nIn] = weight.shape;
    // Back to real weights once: multiplying int8 by a scale in every step would be slower.
    const values = Float32Array.from(weight.values, (w, i) => w * scale.values[Math.floor(i / nIn)]);
    return { values, bias: bias.values, nIn, out: new Float32Array(nOut) };
  });
  const image = new Float32Array(nPixels);
  return (z1, z2) => {
    let h = [z1, z2];
    stack.forEach(({ values, bias, nIn, out }, depth) => {
      const last = depth === stack.length - 1;
      for (let i = 0; i < out.length; i++) {
        let sum = bias[i];
        for (let j = 0, k = i * nIn; j < nIn; j++, k++) sum += values[k] * h[j];
        out[i] = last ? 1 / (1 + Math.exp(-sum)) : Math.max(sum, 0);
      }
      h = out;
    });
    pixels.values.forEach((pixel, i) => { image[pixel] = h[i]; });
    return image;
  };
}

/** (z1, z2) => [[class, votes], ...] of the nearest codes, most votes first. */
function voter(z, labels) {
  return (z1, z2) => {
    const near = [];
    for (let i = 0; i < labels.length; i++) {
      const d = (z[2 * i] - z1) ** 2 + (z[2 * i + 1] - z2) ** 2;
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

function scales({ left, top, right, bottom }, extent) {
  const to = (v, a, b) => a + ((v + extent) / (2 * extent)) * (b - a);
  return { x: (v) => to(v, left, right), y: (v) => to(v, bottom, top) };
}

/** The plane without the point, drawn once for each size and theme. */
function scatter(back, root, data, box, width, height) {
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
  data.labels.values.forEach((label, i) => {
    ctx.fillStyle = shades[label];
    ctx.fillRect(x(data.z.values[2 * i]) - 1.3, y(data.z.values[2 * i + 1]) - 1.3, 2.6, 2.6);
  });
  ctx.restore();
  data.classes.values.forEach((label, i) => {
    badge(ctx, x(data.centers.values[2 * i]), y(data.centers.values[2 * i + 1]), label, shades[label], tone);
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

/** A class color moved toward the text color when the page is dark. */
function readable(color, tone) {
  const [r, g, b] = rgb(tone.bg);
  if (r + g + b > 384) return color;
  const mixed = rgb(color).map((v) => Math.round(0.6 * v + 0.4 * 255));
  return `rgb(${mixed.join()})`;
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}
