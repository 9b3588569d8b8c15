// The reading desk: a drawn slice, its reconstruction, the error, and what a threshold finds.

import { canvas, choice, colors, el, menu, number } from "./core.js";

const WORDS = 22; // height of the line under a picture
const HINT = "Last picture: green is lesion that was found, blue lesion that was missed, " +
  "orange healthy tissue above the threshold.";

export function mount(root, data) {
  const { side, images, made, errors, masks, contrasts } = data;
  const size = side * side, n = contrasts.length;
  let which = 0;

  menu(root, { label: "Slice", names: Array.from({ length: masks.shape[0] }, (_, i) => String(i + 1)),
    onChange: (i) => { which = i; update(); } });
  const contrast = choice(root, { values: contrasts, start: contrasts.at(-1), label: "Contrast of the lesion",
    show: (c) => `contrast of the lesion ${c.toFixed(2)}`, onChange: () => update() });
  const percents = Array.from({ length: 99 }, (_, i) => i + 1);
  const level = choice(root, { values: percents, start: data.start, label: "Threshold of the error",
    show: (p) => `threshold ${p} % of the scale`, onChange: () => update() });
  const text = el("p", { class: "vw-text", "aria-live": "polite" }, root);
  el("p", { style: "margin:4px 0 8px;color:var(--vw-muted);font-size:13px", text: HINT }, root);

  let shown = [];
  const columns = (width) => (width < 520 ? 2 : 4);
  const tile = (width) => width / columns(width);
  const board = canvas(root, {
    ratio: (width) => (4 / columns(width)) * (tile(width) + WORDS) / width,
    label: "Slice, reconstruction, error map, and pixels above the threshold",
    draw(ctx, width) {
      const tone = colors(root), step = tile(width), across = columns(width);
      ctx.imageSmoothingEnabled = false;
      ctx.textAlign = "center";
      shown.forEach(({ name, paint }, i) => {
        const left = (i % across) * step, top = Math.floor(i / across) * (step + WORDS);
        ctx.drawImage(bitmap(side, paint(tone)), left + 3, top + 3, step - 6, step - 6);
        ctx.strokeStyle = tone.gray;
        ctx.strokeRect(left + 2.5, top + 2.5, step - 5, step - 5);
        ctx.fillStyle = tone.fg;
        ctx.fillText(name, left + step / 2, top + step + 14);
      });
    },
  });

  function part({ values }) {
    const at = (which * n + contrasts.indexOf(contrast.value())) * size;
    return values.subarray(at, at + size);
  }

  function judge() {
    const mask = masks.values.subarray(which * size, (which + 1) * size);
    const above = Array.from(part(errors), (e) => e > 2.55 * level.value());
    const both = above.reduce((sum, v, i) => sum + (v && mask[i] ? 1 : 0), 0);
    const sizes = above.reduce((sum, v, i) => sum + v + mask[i], 0);
    return { mask, above, dice: sizes ? (2 * both) / sizes : 1 };
  }

  function update() {
    const { mask, above, dice } = judge();
    const gray = (values) => () => Array.from(values, (v) => [v, v, v]);
    shown = [
      { name: "slice", paint: gray(part(images)) },
      { name: "reconstruction", paint: gray(part(made)) },
      { name: "error, one scale", paint: () => Array.from(part(errors), heat) },
      { name: "above the threshold", paint: (tone) => {
        const [hit, missed, wrong] = [tone.green, tone.blue, tone.orange].map(rgb);
        return Array.from(part(images), (v, i) => (
          above[i] ? (mask[i] ? hit : wrong) : mask[i] ? missed : [v, v, v]));
      } },
    ];
    const inside = mask.reduce((sum, v) => sum + v, 0);
    const hits = above.reduce((sum, v, i) => sum + (v && mask[i] ? 1 : 0), 0);
    const wrong = above.reduce((sum, v, i) => sum + (v && !mask[i] ? 1 : 0), 0);
    text.textContent = `Error above ${number((level.value() / 100) * data.scale, 3)}: ` +
      `${hits} of ${inside} lesion pixels are found; healthy pixels marked: ${wrong}. Dice ${number(dice, 2)}.`;
    board.redraw();
  }

  update();
  Object.assign(root, { dice: () => judge().dice, above: () => judge().above });
}

/** Black, red, yellow, white: a scale whose brightness only rises. */
function heat(byte) {
  const t = byte / 255;
  return [3 * t, 3 * t - 1, 3 * t - 2].map((v) => Math.round(255 * Math.max(0, Math.min(1, v))));
}

/** A color of the theme, "#rrggbb", as three numbers. */
function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** Colors [r, g, b] of each pixel on a canvas of their own size. */
function bitmap(side, pixels) {
  const node = el("canvas", { width: side, height: side });
  const ctx = node.getContext("2d");
  const image = ctx.createImageData(side, side);
  pixels.forEach((color, i) => image.data.set([...color, 255], 4 * i));
  ctx.putImageData(image, 0, 0);
  return node;
}
