// Small pictures: pixels on a canvas, and captioned tiles in rows.
import { canvas, colors, el } from "./core.js";

/** A square picture on a canvas of its own size; pixel(i) is its [red, green, blue], each 0..255. */
export function bitmap(side, pixel) {
  const node = el("canvas", { width: side, height: side });
  const ctx = node.getContext("2d");
  const image = ctx.createImageData(side, side);
  for (let i = 0; i < side * side; i++) image.data.set([...pixel(i), 255], 4 * i);
  ctx.putImageData(image, 0, 0);
  return node;
}

/** Gray values in 0..1 as a pixel function of bitmap. */
export function grays(values) {
  return (i) => Array(3).fill(Math.round(255 * values[i]));
}

/** A color of the theme, "#rrggbb", as three numbers. */
export function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/**
 * Square pictures in rows of columns(width), a caption under each. shown(tone) lists
 * {picture, caption: [line, ...]}, always `count` of them; `lines` is how many a caption has.
 * Returns {node, redraw, at(event)}; at is [tile, u, v], u and v in [0, 1), or null.
 */
export function tiles(parent, { label, count, columns, lines, shown }) {
  const words = 8 + 16 * lines;
  const step = (width) => width / columns(width);
  const board = canvas(parent, {
    label,
    ratio: (width) => (Math.ceil(count / columns(width)) * (step(width) + words)) / width,
    draw(ctx, width) {
      const tone = colors(parent), size = step(width);
      ctx.imageSmoothingEnabled = false;
      ctx.textAlign = "center";
      shown(tone).forEach(({ picture, caption }, i) => {
        const left = (i % columns(width)) * size;
        const top = Math.floor(i / columns(width)) * (size + words);
        ctx.drawImage(picture, left + 3, top + 3, size - 6, size - 6);
        ctx.strokeStyle = tone.gray;
        ctx.strokeRect(left + 2.5, top + 2.5, size - 5, size - 5);
        caption.forEach((line, k) => {
          ctx.fillStyle = k ? tone.muted : tone.fg;
          ctx.fillText(line, left + size / 2, top + size + 13 + 15 * k);
        });
      });
    },
  });
  function at(event) {
    const area = board.node.getBoundingClientRect(), size = step(area.width);
    const [x, y] = [event.clientX - area.left, event.clientY - area.top];
    const column = Math.floor(x / size), row = Math.floor(y / (size + words));
    const u = (x - column * size - 3) / (size - 6), v = (y - row * (size + words) - 3) / (size - 6);
    if (u < 0 || v < 0 || u >= 1 || v >= 1) return null;
    return [row * columns(area.width) + column, u, v];
  }
  return { ...board, at };
}
