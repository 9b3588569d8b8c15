// Chapter 12: a drawn slice, its reconstruction, the error, and what a threshold finds.
import { begin, bind, choice, el, menu, number, sentenceLine, slider, tell } from "./core.js";
import { bitmap, rgb, tiles } from "./pictures.js";

const HINT = "Last picture: green is lesion that was found, blue lesion that was missed, " +
  "orange healthy tissue above the threshold.";

/** Where errors (bytes of the scale) exceed the threshold: {above, hits, wrong, lesion, dice}. */
export function detect(errors, mask, threshold, scale) {
  const above = Array.from(errors, (e) => (e / 255) * scale > threshold);
  const count = (keep) => above.reduce((n, v, i) => n + (keep(v, mask[i]) ? 1 : 0), 0);
  const hits = count((v, m) => v && m), wrong = count((v, m) => v && !m), lesion = count((_, m) => m);
  const sizes = hits + wrong + lesion;
  return { above, hits, wrong, lesion, dice: sizes ? (2 * hits) / sizes : 1 };
}

export function render(props) {
  const view = begin(props);
  const { root, model, data } = view;
  const { side, images, reconstructions, errors, masks, contrasts, scale } = data;
  const size = side * side;
  const put = bind(view, ["slice_index", "contrast", "threshold"], changed);
  let shown; // (tone) => the four pictures

  const names = Array.from({ length: masks.shape[0] }, (_, i) => String(i + 1));
  const slices = menu(root, { label: "Slice", names, onChange: (i) => put({ slice_index: i }) });
  const contrast = choice(root, { values: contrasts, label: "Contrast of the lesion",
    show: (c) => `contrast of the lesion ${number(c)}`, onChange: (c) => put({ contrast: c }) });
  const level = slider(root, { label: "Threshold of the error", min: 1, max: 99, step: 1, wide: "15em",
    show: (p) => `threshold ${number(p, 0)} % of the scale`, onInput: (p) => put({ threshold: (p / 100) * scale }) });
  const text = sentenceLine(root);
  el("p", { style: "margin:4px 0 8px;color:var(--vw-muted);font-size:13px", text: HINT }, root);
  const board = tiles(root, {
    label: "Slice, reconstruction, error map, and pixels above the threshold",
    count: 4,
    columns: (width) => (width < 520 ? 2 : 4),
    lines: 1,
    shown: (tone) => shown(tone),
  });

  function changed() {
    const [index, c, threshold] = ["slice_index", "contrast", "threshold"].map((name) => model.get(name));
    const part = ({ values }) => {
      const at = (index * contrasts.length + contrasts.indexOf(c)) * size;
      return values.subarray(at, at + size);
    };
    const [image, made, error] = [images, reconstructions, errors].map(part);
    const mask = masks.values.subarray(index * size, (index + 1) * size);
    const { above, hits, wrong, lesion, dice } = detect(error, mask, threshold, scale);
    const gray = (values) => bitmap(side, (i) => [values[i], values[i], values[i]]);
    shown = (tone) => {
      const [hit, missed, healthy] = [tone.green, tone.blue, tone.orange].map(rgb);
      const marked = (i) => (above[i] ? (mask[i] ? hit : healthy) : mask[i] ? missed : Array(3).fill(image[i]));
      return [
        { picture: gray(image), caption: ["slice"] },
        { picture: gray(made), caption: ["reconstruction"] },
        { picture: bitmap(side, (i) => heat(error[i])), caption: ["error, one scale"] },
        { picture: bitmap(side, marked), caption: ["above the threshold"] },
      ];
    };
    slices.value = index;
    contrast.set(c);
    level.set((100 * threshold) / scale);
    text.say(`Error above ${number(threshold, 3)}: ${hits} of ${lesion} lesion pixels are found; ` +
      `healthy pixels marked: ${wrong}. Dice ${number(dice, 2)}.`);
    board.redraw();
    tell(model, { dice });
  }

  changed();
  return view.end;
}

export default { render };

/** Black, red, yellow, white: a scale whose brightness only rises. */
function heat(byte) {
  const t = byte / 255;
  return [3 * t, 3 * t - 1, 3 * t - 2].map((v) => Math.round(255 * Math.max(0, Math.min(1, v))));
}
