// Chapter 13: sliders edit the code of a face, the decoder runs here, and a classifier looks at both.
import { begin, bind, canvas, colors, el, line, menu, number, sentenceLine, slider, tell } from "./core.js";
import { floats, forward, ready } from "./network.js";
import { bitmap } from "./pictures.js";

const SHOWN = 3; // half the range of the bars, in the classifier's unit

/** Decoder and classifier of the view's data: {decode(face, method, edits), classify(image)}. */
export function networks(data) {
  const [decoder, classifier] = [data.decoder, data.classifier].map(ready);
  const { sliders, methods, faces, side } = data;
  const moves = floats(data.moves); // (inner, methods x sliders)
  const size = data.starts.shape[1], n = methods.length * sliders.length;

  function decode(face, method, edits) {
    const at = faces.indexOf(face) * size;
    const inner = Float32Array.from(data.starts.values.subarray(at, at + size));
    for (const [name, strength] of Object.entries(edits)) {
      const column = methods.indexOf(method) * sliders.length + sliders.indexOf(name);
      for (let i = 0; i < size; i++) inner[i] += strength * moves[i * n + column];
    }
    return forward(decoder, inner).map((v) => Math.min(1, Math.max(0, v)));
  }
  return { decode, classify: (image) => forward(classifier, image.map((v) => 4 * (v - 0.5)), side) };
}

export function render(props) {
  const view = begin(props);
  const { root, model, data } = view;
  const { sliders, side, faces, methods } = data;
  const { decode, classify } = networks(data);
  const put = bind(view, ["face", "method", "edits"], changed);
  const start = { face: null }; // the face that is shown without edits
  let edited, changes, edits; // what is drawn

  const face = menu(root, { label: "Face", names: faces, onChange: (i) => put({ face: faces[i] }) });
  const method = menu(root, { label: "Directions by", names: methods, onChange: (i) => put({ method: methods[i] }) });
  const buttons = el("div", { class: "vw-bar", style: "flex-wrap:wrap;gap:6px" }, root);
  for (const [name, preset] of Object.entries({ "reset": {}, ...data.presets })) {
    el("button", { type: "button", text: name }, buttons).addEventListener("click", () => put({ edits: { ...preset } }));
  }
  const text = sentenceLine(root);

  const wide = (width) => width >= 520;
  const board = canvas(root, {
    ratio: (width) => (wide(width) ? (width / 3 + 26) / width : (width / 2 + 26 + 190) / width),
    label: "The original face, the edited face, and the change of each attribute as a classifier sees it",
    draw(ctx, width) {
      const tone = colors(root), across = wide(width) ? 3 : 2, step = width / across;
      ctx.textAlign = "center";
      ctx.textBaseline = "alphabetic";
      [["original", start.picture], ["edited", edited]].forEach(([name, picture], i) => {
        ctx.imageSmoothingEnabled = true;
        ctx.drawImage(picture, i * step + 3, 3, step - 6, step - 6);
        ctx.fillStyle = tone.fg;
        ctx.fillText(name, (i + 0.5) * step, step + 14);
      });
      const box = wide(width) ? { left: 2 * step + 74, top: 6, right: width - 34, height: step - 6 }
        : { left: 70, top: step + 30, right: width - 40, height: 180 };
      bars(ctx, box, tone);
    },
  });

  function bars(ctx, { left, top, right, height }, tone) {
    const x = (v) => left + ((Math.max(-SHOWN, Math.min(SHOWN, v)) + SHOWN) / (2 * SHOWN)) * (right - left);
    const step = height / sliders.length;
    ctx.textBaseline = "middle";
    sliders.forEach((name, k) => {
      const change = changes[name], y = top + (k + 0.5) * step, moved = Boolean(edits[name]);
      ctx.fillStyle = moved ? tone.blue : tone.orange;
      ctx.fillRect(Math.min(x(0), x(change)), y - step * 0.28, Math.abs(x(change) - x(0)), step * 0.56);
      ctx.fillStyle = tone.fg;
      ctx.textAlign = "right";
      ctx.fillText(moved ? `${name} \u25c6` : name, left - 8, y);
      ctx.textAlign = "left";
      ctx.fillText(number(change, 1), right + 4, y);
    });
    ctx.strokeStyle = tone.gray;
    line(ctx, [[x(0), top], [x(0), top + height]]);
  }

  el("p", { style: "margin:4px 0 8px;color:var(--vw-muted);font-size:13px",
    text: "Bars: change of the classifier's answer, in standard deviations of its answers over photographs. " +
      "Blue with \u25c6: an attribute that you moved. Orange: one that you did not." }, root);

  const grid = el("div", { style: "display:grid;grid-template-columns:repeat(auto-fit,minmax(250px,1fr));gap:0 18px" }, root);
  const controls = sliders.map((name) => slider(grid, {
    label: `Strength of ${name}`, min: -data.strongest, max: data.strongest, step: 0.25,
    show: (s) => `${name} ${s > 0 ? "+" : ""}${number(s, 2)}`, onInput: (s) => edit(name, s),
  }));

  /** Set one strength; a slider at 0 is no edit. */
  function edit(name, strength) {
    const { [name]: _, ...others } = model.get("edits");
    put({ edits: strength ? { ...others, [name]: strength } : others });
  }

  const picture = (image) => bitmap(side, (p) => [0, 1, 2].map((c) => Math.round(255 * image[3 * p + c])));

  function changed() {
    const name = model.get("face");
    if (start.face !== name) {
      const image = decode(name, model.get("method"), {});
      Object.assign(start, { face: name, picture: picture(image), answers: classify(image) });
    }
    edits = model.get("edits");
    let answers = start.answers;
    edited = start.picture;
    if (sliders.some((s) => edits[s])) {
      const image = decode(name, model.get("method"), edits);
      answers = classify(image);
      edited = picture(image);
    }
    changes = Object.fromEntries(sliders.map((s, k) => [s, answers[k] - start.answers[k]]));

    face.value = faces.indexOf(name);
    method.value = methods.indexOf(model.get("method"));
    controls.forEach((control, k) => control.set(edits[sliders[k]] ?? 0));
    text.say(sentence());
    board.redraw();
    tell(model, { changes });
  }

  function sentence() {
    const moved = sliders.filter((s) => edits[s]), others = sliders.filter((s) => !edits[s]);
    if (!moved.length) return "Move a slider, or take one of the thesis's edits.";
    const list = moved.map((s) => `${s} ${number(edits[s], 2)}`).join(", ");
    if (!others.length) return `Moved: ${list}.`;
    const most = others.reduce((a, b) => (Math.abs(changes[b]) > Math.abs(changes[a]) ? b : a));
    return `Moved: ${list}. Of the others ${most} changes most, by ${number(changes[most], 1)}.`;
  }

  changed();
  return view.end;
}

export default { render };
