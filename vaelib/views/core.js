// What every view needs: its place and its traits, arrays, colors of the theme, a sharp canvas, controls.
//
// A view is an ES module that exports render({ model, el }), as anywidget calls it
// (https://anywidget.dev/en/afm). In a page without a kernel pageModel stands in for the model.

/** The traits of a view in an object: what a page without a kernel gives to render as `model`. */
export function pageModel(state) {
  const listeners = [];
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  return {
    get: (name) => state[name],
    set(name, value) {
      if (same(state[name], value)) return;
      state[name] = value;
      for (const [event, call] of [...listeners]) if (event === `change:${name}`) call();
    },
    on(event, call) { listeners.push([event, call]); },
    off(event, call) {
      const i = listeners.findIndex(([e, c]) => e === event && c === call);
      if (i >= 0) listeners.splice(i, 1);
    },
    save_changes() {},
  };
}

/**
 * The frame of a view in `el`, and its data: {root, model, data, onEnd, end}. What must stop when
 * the view is taken off the page goes to onEnd(stop); render returns `end`, which anywidget calls.
 * Elements inside `root` hear "vw-theme" from it when page or system turn light or dark.
 */
export function begin({ model, el: place }) {
  const root = el("div", { class: "vw", role: "group", "aria-label": model.get("label") }, place);
  const stops = [];
  const onEnd = (stop) => stops.push(stop);
  const turn = () => root.dispatchEvent(new Event("vw-theme"));
  const observer = new MutationObserver(turn);
  const watch = { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] };
  observer.observe(document.documentElement, watch);
  observer.observe(document.body, watch);
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", turn);
  onEnd(() => { observer.disconnect(); system.removeEventListener("change", turn); root.remove(); });
  return { root, model, data: unpack(model.get("data")), onEnd, end: () => stops.forEach((s) => s()) };
}

/**
 * Redraw when a trait of `names` changes, here, in another display of the view or in Python.
 * Returns put(values), for what the reader does: it sets these traits and calls changed() once.
 * changed() draws what the model says and calls no put.
 */
export function bind({ model, onEnd }, names, changed) {
  let putting = false;
  const heed = () => { if (!putting) changed(); };
  for (const name of names) {
    model.on(`change:${name}`, heed);
    onEnd(() => model.off(`change:${name}`, heed));
  }
  return (values) => {
    putting = true;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    putting = false;
    changed();
    model.save_changes(); // after changed(): what it computes goes to Python in the same message
  };
}

/** Set traits that no reader moves, such as a value computed here: for Python to read. */
export function tell(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

const TYPES = { f32: Float32Array, i8: Int8Array, u8: Uint8Array, i32: Int32Array };

/** Replace every {dtype, shape, bytes} in a value by {values, shape}. */
export function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  if ("bytes" in value) return { values: decodeArray(value), shape: value.shape };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]));
}

/** The bytes are base64 in a page and a DataView from a kernel. */
function decodeArray({ dtype, bytes: raw }) {
  const bytes = typeof raw === "string"
    ? Uint8Array.from(atob(raw), (c) => c.charCodeAt(0))
    : new Uint8Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
  if (dtype === "f16") return Float32Array.from(new Uint16Array(bytes.buffer), halfToFloat);
  return new TYPES[dtype](bytes.buffer);
}

/** IEEE 754 half precision to a number. */
export function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Create an element: el("button", {type: "button", text: "Play"}, parent). */
export function el(tag, attributes = {}, parent = null) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  if (parent) parent.append(node);
  return node;
}

/** The colors that view.css sets for the present theme. */
export function colors(root) {
  const style = getComputedStyle(root);
  const names = ["fg", "muted", "bg", "line", "blue", "orange", "green", "gray"];
  return Object.fromEntries(names.map((n) => [n, style.getPropertyValue(`--vw-${n}`).trim()]));
}

/**
 * A canvas as wide as its parent, sharp on every screen. `ratio` = height / width: a number,
 * or a function of the width for a shape that changes on a phone.
 * draw(ctx, width, height) works in CSS pixels; returns {node, redraw}.
 */
export function canvas(parent, { ratio, label, draw }) {
  const node = el("canvas", { role: "img", "aria-label": label }, parent);
  let drawn = 0; // the width of the picture as it is
  function redraw() {
    const width = node.clientWidth;
    drawn = width;
    if (!width) return; // out of sight, as in a cell that JupyterLab took off the page
    const height = Math.round(width * (typeof ratio === "function" ? ratio(width) : ratio));
    const scale = window.devicePixelRatio || 1;
    node.width = Math.round(width * scale);
    node.height = Math.round(height * scale);
    node.style.height = `${height}px`;
    const ctx = node.getContext("2d");
    ctx.scale(scale, scale);
    ctx.font = "12px system-ui, sans-serif";
    draw(ctx, width, height);
  }
  // Both: a picture that comes back with the size that it had is no change to the first.
  const check = () => { if (node.clientWidth !== drawn) redraw(); };
  new ResizeObserver(check).observe(node);
  new IntersectionObserver(check).observe(node);
  node.closest(".vw")?.addEventListener("vw-theme", redraw);
  return { node, redraw };
}

/** Linear map of [a, b] onto [c, d]. */
export function scale([a, b], [c, d]) {
  return (x) => c + ((x - a) / (b - a)) * (d - c);
}

/** About `count` round numbers that cover [low, high]; none for count 0. */
export function ticks(low, high, count = 5) {
  if (count === 0) return [];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-9; t += step) {
    found.push(Math.abs(t) < step * 1e-9 ? 0 : t);
  }
  return found;
}

/**
 * Axes with ticks, light grid and labels. `box` = {left, top, right, bottom} in CSS pixels.
 * Returns {x, y}: the maps from data to pixels.
 */
export function axes(ctx, box, xRange, yRange, { xLabel, yLabel, tone, nx = 5, ny = 4 }) {
  const x = scale(xRange, [box.left, box.right]);
  const y = scale(yRange, [box.bottom, box.top]);
  const number = (v) => String(Number(v.toPrecision(6))).replace("-", "\u2212");
  ctx.lineWidth = 1;
  ctx.strokeStyle = tone.line;
  ctx.fillStyle = tone.muted;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const t of ticks(...xRange, nx)) {
    line(ctx, [[x(t), box.top], [x(t), box.bottom]]);
    ctx.fillText(number(t), x(t), box.bottom + 5);
  }
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const t of ticks(...yRange, ny)) {
    line(ctx, [[box.left, y(t)], [box.right, y(t)]]);
    ctx.fillText(number(t), box.left - 6, y(t));
  }
  ctx.strokeStyle = tone.gray;
  line(ctx, [[box.left, box.top], [box.left, box.bottom], [box.right, box.bottom]]);
  ctx.fillStyle = tone.fg;
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  ctx.fillText(xLabel, (box.left + box.right) / 2, box.bottom + 36);
  ctx.save();
  ctx.translate(12, (box.top + box.bottom) / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.textBaseline = "middle";
  ctx.fillText(yLabel, 0, 0);
  ctx.restore();
  return { x, y };
}

/** Stroke the polyline through points [[x, y], ...]. */
export function line(ctx, points) {
  ctx.beginPath();
  points.forEach(([px, py], i) => (i ? ctx.lineTo(px, py) : ctx.moveTo(px, py)));
  ctx.stroke();
}

/** Fill a circle; its path stays, to be stroked. */
export function disc(ctx, px, py, radius) {
  ctx.beginPath();
  ctx.arc(px, py, radius, 0, 2 * Math.PI);
  ctx.fill();
}

/** 12345 as "12,345". */
export function thousands(whole) {
  return String(whole).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** 1234.5 as "1,234.5", with a true minus sign. */
export function number(x, digits = 2) {
  const [whole, rest] = Math.abs(x).toFixed(digits).split(".");
  const text = thousands(whole) + (rest ? `.${rest}` : "");
  return (Number(text.replace(/,/g, "")) === 0 || x > 0 ? "" : "\u2212") + text;
}

/** A row that says what each mark means; the marks differ in shape as well as in color. */
export function key(parent, items) {
  const row = el("div", { style: "display:flex;flex-wrap:wrap;gap:2px 18px;margin-bottom:6px" }, parent);
  for (const [mark, color, text] of items) {
    const item = el("span", {}, row);
    el("b", { style: `color:var(--vw-${color})`, "aria-hidden": "true", text: `${mark} ` }, item);
    item.append(text);
  }
}

/** Let a click, or the mouse held down, choose a place of a picture: pick(event). */
export function onPick(node, pick) {
  node.style.cursor = "crosshair";
  node.style.touchAction = "manipulation";
  // a finger on its way over the picture scrolls the page; only a tap or the mouse chooses
  node.addEventListener("click", pick);
  node.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons) pick(event);
  });
}

/**
 * Lead a point over [-extent, extent]^2: drag over `picture`, or arrow keys while `node` has the
 * focus, with shift in larger steps. at() is where the point is, move(x1, x2) where it shall go.
 */
export function steer(node, picture, { box, extent, at, move }) {
  function follow(event) {
    const area = picture.getBoundingClientRect();
    const { left, top, right, bottom } = box(area.width, area.height);
    const u = (event.clientX - area.left - left) / (right - left);
    const v = (event.clientY - area.top - top) / (bottom - top);
    move(extent * (2 * u - 1), extent * (1 - 2 * v));
  }
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    follow(event);
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) follow(event);
  });
  node.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own shortcuts
    const step = event.shiftKey ? 0.5 : 0.1;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
    if (!way) return;
    move(at()[0] + step * way[0], at()[1] + step * way[1]);
    event.preventDefault();
  });
}

/**
 * A labeled slider over [min, max]; show(value) is the text beside it, onInput(value) what the
 * reader's hand calls. Returns {set, input}.
 */
export function slider(parent, { label, min, max, step, show, onInput, wide = "8.5em" }) {
  const bar = el("div", { class: "vw-bar" }, parent);
  const wrap = el("label", { style: "display:flex;flex:1;flex-wrap:wrap;align-items:center;gap:4px 12px" }, bar);
  const text = el("span", { style: `min-width:${wide};font-variant-numeric:tabular-nums` }, wrap);
  const input = el("input", { type: "range", min, max, step, "aria-label": label }, wrap);
  function set(value) {
    input.value = value;
    text.textContent = show(value);
    input.setAttribute("aria-valuetext", show(value));
  }
  input.addEventListener("input", () => onInput(Number(input.value)));
  return { set, input };
}

/** A labeled slider over a list of values; onChange(value). Returns {set(value), input}. */
export function choice(parent, { values, label, show, onChange }) {
  const { set, input } = slider(parent, { label, min: 0, max: values.length - 1, step: 1, wide: "15em",
    show: (i) => show(values[i]), onInput: (i) => onChange(values[i]) });
  return { set: (value) => set(values.indexOf(value)), input };
}

/** A labeled list to choose from; onChange(i) gets the place of the choice in `names`. */
export function menu(parent, { label, names, onChange }) {
  const bar = el("div", { class: "vw-bar", style: "margin:0 0 8px" }, parent);
  const wrap = el("label", { style: "display:flex;flex-wrap:wrap;gap:4px 10px;align-items:center", text: `${label} ` }, bar);
  const select = el("select", {}, wrap);
  names.forEach((name, i) => el("option", { value: i, text: name }, select));
  select.addEventListener("change", () => onChange(Number(select.value)));
  return select;
}

/**
 * The sentence under a picture, read aloud when it changes: {node, say(text), hush(silent)}.
 * It is silent while one of `controls` has the focus, whose aria-valuetext says as much, and
 * while `hush(true)`: every frame of an animation spoken would bury a listener.
 */
export function sentenceLine(parent, controls = []) {
  const node = el("p", { class: "vw-text", "aria-live": "polite" }, parent);
  let playing = false;
  function update() {
    const silent = playing || controls.includes(document.activeElement);
    node.setAttribute("aria-live", silent ? "off" : "polite");
  }
  for (const control of controls) ["focus", "blur"].forEach((e) => control.addEventListener(e, update));
  return {
    node,
    say: (text) => { node.textContent = text; },
    hush: (silent) => { playing = silent; update(); },
  };
}

/**
 * Play / pause, one step back and forward, a slider: for anything that has frames 0..n-1.
 * onGo(i) is asked for frame i by the reader or by the clock, and makes the view call show.
 * Space plays, the arrow keys step while the slider has the focus. Never plays by itself.
 * Returns {show(i, sentence), resize(n), pause}.
 */
export function stepper(parent, { n, label, onGo, milliseconds = 700 }) {
  const bar = el("div", { class: "vw-bar" }, parent);
  const back = el("button", { type: "button", "aria-label": "One step back", text: "\u2039" }, bar);
  const play = el("button", { type: "button", class: "vw-play" }, bar);
  const next = el("button", { type: "button", "aria-label": "One step forward", text: "\u203a" }, bar);
  const input = el("input", { type: "range", min: 0, max: n - 1, step: 1, "aria-label": label }, bar);
  const line = sentenceLine(parent, [input]);
  const at = () => Number(input.value);
  const last = () => Number(input.max);
  let timer = null;

  function show(i, sentence) {
    input.value = i;
    line.say(sentence);
    input.setAttribute("aria-valuetext", sentence);
  }
  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "\u25b6 Play";
    line.hush(false);
    line.say(input.getAttribute("aria-valuetext") ?? "");
  }
  function run() {
    if (at() === last()) onGo(0);
    play.textContent = "\u275a\u275a Pause";
    line.hush(true);
    timer = setInterval(() => {
      if (!parent.isConnected) return pause();
      onGo(at() + 1);
      if (at() === last()) pause();
    }, milliseconds);
  }
  function go(i) {
    pause();
    onGo(Math.max(0, Math.min(last(), i)));
  }
  play.addEventListener("click", () => (timer ? pause() : run()));
  back.addEventListener("click", () => go(at() - 1));
  next.addEventListener("click", () => go(at() + 1));
  input.addEventListener("input", () => go(at()));
  input.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    play.click();
  });
  pause();
  return { show, pause, resize: (frames) => { input.max = frames - 1; } };
}
