// Drawing masks on a photo. Python sends the photo and what is saved, and is told of a new state when somebody saves;
// between two saves the drawing is kept in the browser, so that a reload loses nothing.

const STOPS = [0.25, 0.5, 1, 2, 4, 8, 16]; // of the zoom buttons
const ZOOMS = ["in", "out", "fit"];
const SOON = 800; // milliseconds until a change is kept
const KEYS = { b: "brush", e: "eraser", p: "polygon", r: "region", h: "hand" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Annotator {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.state = root.querySelector(".state");
    this.slider = root.querySelector("[data-size]");
    this.fingers = new Map();
    this.#listen();
  }

  /** Show what Python says; what is being drawn stays unless it is about another photo or label. */
  show(data, send) {
    this.send = send;
    if (data.identity !== this.data?.identity) this.#open(data);
    else this.#answered(data);
  }

  close() {
    this.#keep();
    this.stop.abort();
    this.watch.disconnect();
  }

  #open(data) {
    if (this.data) this.#keep();
    this.data = data;
    this.sent = null;
    this.#conflict.hidden = true;
    this.base = data.saved?.revision ?? 0;
    this.mask = new Mask(data.width, data.height);
    if (data.saved) this.mask.load(data.saved.counts);
    this.saved = this.#text();
    const draft = this.#draft();
    if (draft) {
      this.mask.load(draft.counts);
      this.base = draft.base;
    }
    this.view = new View(this.canvas, this.mask);
    this.regions = new Regions(data.regions);
    this.canvas.style.aspectRatio = `${data.width} / ${data.height}`;
    this.canvas.setAttribute("aria-label", `Drawing area over the photo ${data.name}`);
    this.slider.max = Math.max(8, Math.round(Math.min(data.width, data.height) / 2));
    this.slider.value = Math.max(4, Math.round(Math.min(data.width, data.height) / 12));
    this.cursor = { x: data.width / 2, y: data.height / 2 };
    this.photo = new Image();
    this.photo.onload = () => this.#draw();
    this.photo.src = data.photo;
    this.tools = {
      brush: new Pen(this.mask, 1, () => this.slider.value / 2),
      eraser: new Pen(this.mask, 0, () => this.slider.value / 2),
      polygon: new Polygon(this.mask),
      region: new Region(this.mask, this.regions),
    };
    this.#take("brush");
    this.fitted = true;
    this.view.magnify(this.view.whole);
    this.view.update();
    this.#tell(draft ? "Your drawing is back as you left it; it is not saved yet." : null);
    this.#draw();
  }

  /** What came of a save: it is the last state now, or somebody has saved another one since `base`. */
  #answered(data) {
    this.data = data;
    if (!this.sent || !data.saved || data.saved.revision <= this.base) return;
    if (JSON.stringify(data.saved.counts) === this.sent) {
      this.base = data.saved.revision;
      this.saved = this.sent;
      this.#keep();
    } else this.#conflict.hidden = false;
    this.sent = null;
    this.#tell();
  }

  get #conflict() {
    return this.root.querySelector(".conflict");
  }

  #text() {
    return JSON.stringify(this.mask.counts);
  }

  // Drafts.

  get #place() {
    return `seewhy-draft ${this.data.identity}`;
  }

  #draft() {
    try {
      const draft = JSON.parse(localStorage.getItem(this.#place));
      return draft && JSON.stringify(draft.counts) !== this.saved ? draft : null;
    } catch {
      return null;
    }
  }

  /** Keep the drawing in this browser unless it is saved as it is. */
  #keep() {
    clearTimeout(this.timer);
    this.timer = null;
    const counts = this.mask.counts;
    try {
      if (JSON.stringify(counts) === this.saved) localStorage.removeItem(this.#place);
      else localStorage.setItem(this.#place, JSON.stringify({ base: this.base, counts }));
    } catch {
      this.#tell("This browser keeps no drafts: save before you leave.");
    }
  }

  #changed() {
    this.view.update();
    this.#soon();
    this.#tell();
    this.#draw();
  }

  #soon() {
    this.timer ??= setTimeout(() => this.#keep(), SOON);
  }

  #tell(words) {
    const share = this.mask.area / this.mask.bits.length;
    const marked = share && share < 0.01 ? "less than 1 %" : `${Math.round(100 * share)} %`;
    const fresh = this.#text() === this.saved;
    const stands = !fresh ? "not saved yet" : this.base ? `saved, revision ${this.base}` : "nothing to save yet";
    this.state.textContent = words ?? `${marked} of the photo is marked; ${stands}.`;
    this.#button("undo").disabled = !this.mask.done.length;
    this.#button("redo").disabled = !this.mask.undone.length;
    this.#button("save").disabled = fresh;
  }

  #button(name) {
    return this.root.querySelector(`[data-do="${name}"]`);
  }

  #draw() {
    this.root.querySelector("[data-zoom]").textContent = `${Math.round(100 * this.view.zoom)} %`;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() =>
      this.view.draw(this.photo, (pen, view) => {
        this.tool?.draw(pen, view);
        if (this.byKeys) this.#cross(pen, view.spot(this.cursor));
      }),
    );
  }

  #cross(pen, { x, y }) {
    pen.beginPath();
    pen.arc(x, y, this.tool instanceof Pen ? Math.max(3, (this.slider.value / 2) * this.view.zoom) : 3, 0, 2 * Math.PI);
    for (const [dx, dy] of Object.values(ARROWS)) {
      pen.moveTo(x + 4 * dx, y + 4 * dy);
      pen.lineTo(x + 12 * dx, y + 12 * dy);
    }
    outlined(pen);
  }

  // What people do.

  #listen() {
    this.stop = new AbortController();
    const on = (target, kind, react) =>
      target.addEventListener(kind, react, { signal: this.stop.signal, passive: false });
    for (const button of this.root.querySelectorAll("[data-tool]"))
      on(button, "click", () => this.#take(button.dataset.tool));
    for (const button of this.root.querySelectorAll("[data-do]")) on(button, "click", () => this.#do(button.dataset.do));
    on(this.slider, "input", () => this.#draw());
    on(this.canvas, "pointerdown", (event) => this.#press(event));
    on(this.canvas, "pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) on(this.canvas, kind, (event) => this.#lift(event));
    on(this.canvas, "dblclick", () => this.tool instanceof Polygon && this.#finish(this.tool.close()));
    on(this.canvas, "wheel", (event) => this.#wheel(event));
    on(this.canvas, "keydown", (event) => this.#key(event));
    on(this.canvas, "blur", () => this.#unkey());
    for (const kind of ["pagehide", "visibilitychange"]) on(globalThis, kind, () => this.timer && this.#keep());
    this.watch = new ResizeObserver(() => this.#resized());
    this.watch.observe(this.canvas);
  }

  #take(name) {
    this.tool?.cancel();
    this.tool = this.tools[name] ?? null; // without a tool the hand moves the photo
    this.canvas.classList.toggle("hand", !this.tool);
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    this.#draw();
  }

  #do(name) {
    const { view, mask } = this;
    const nearest = (stops) => stops.find(Boolean) ?? view.zoom;
    if (name === "undo" && this.tool?.points?.length) {
      this.tool.points.pop(); // the last corner comes first
      this.#draw();
      return;
    }
    if (!ZOOMS.includes(name)) this.tool?.cancel();
    if (name === "undo" || name === "redo") mask[name]() && this.#changed();
    if (name === "clear") {
      mask.begin();
      mask.fill(0);
      this.#finish(mask.end());
    }
    if (name === "in") this.#zoom(nearest(STOPS.filter((stop) => stop > view.zoom * 1.01)));
    if (name === "out") this.#zoom(nearest(STOPS.filter((stop) => stop < view.zoom * 0.99).reverse()));
    if (name === "fit") this.#zoom(view.whole);
    if (name === "save") this.#save();
    if (name === "theirs") this.#adopt(true);
    if (name === "mine") this.#adopt(false);
  }

  #zoom(zoom, place) {
    this.view.magnify(zoom, place);
    this.fitted = Math.abs(this.view.zoom - this.view.whole) < 1e-6;
    this.#draw();
  }

  #save() {
    if (this.#button("save").disabled) return;
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const key = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const counts = this.mask.counts;
    this.sent = JSON.stringify(counts);
    this.#keep();
    this.#tell("Saving …");
    this.send("save", { identity: this.data.identity, counts, base: this.base, key });
  }

  /** After a conflict: take over what is saved, or go on from it with this drawing. */
  #adopt(theirs) {
    const { revision, counts } = this.data.saved;
    this.#conflict.hidden = true;
    this.base = revision;
    this.saved = JSON.stringify(counts);
    if (theirs) this.mask.load(counts);
    this.#changed();
    if (!theirs) this.#save();
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #press(event) {
    event.preventDefault();
    this.canvas.focus({ preventScroll: true, focusVisible: false });
    this.byKeys = false;
    this.canvas.setPointerCapture(event.pointerId);
    const place = this.#at(event);
    this.fingers.set(event.pointerId, place);
    this.pan = event.button === 1 || !this.tool;
    if (this.fingers.size > 1) {
      this.tool?.interrupt(); // the first finger was not meant to draw
      this.#changed();
    } else if (!this.pan && event.button === 0) this.#done(this.tool.press(this.view.point(place), this.view.zoom));
  }

  #move(event) {
    const before = this.fingers.get(event.pointerId);
    const place = this.#at(event);
    if (before && (this.pan || this.fingers.size > 1)) {
      this.#carry(event.pointerId, before, place);
      return;
    }
    if (!before && !(this.tool instanceof Polygon)) return;
    if (!this.tool) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) this.#done(this.tool.move(this.view.point(this.#at(each))));
    if (before) this.fingers.set(event.pointerId, place);
  }

  /** Move by one finger or the hand, move and zoom by two. */
  #carry(finger, before, place) {
    const other = [...this.fingers].find(([each]) => each !== finger)?.[1];
    const shares = other ? 2 : 1;
    this.view.move((place.x - before.x) / shares, (place.y - before.y) / shares);
    if (other) {
      const apart = (one) => Math.hypot(one.x - other.x, one.y - other.y);
      const middle = { x: (place.x + other.x) / 2, y: (place.y + other.y) / 2 };
      if (apart(before) > 1) this.#zoom((this.view.zoom * apart(place)) / apart(before), middle);
    }
    this.fingers.set(finger, place);
    this.fitted = false;
    this.#draw();
  }

  #lift(event) {
    const alone = this.fingers.size === 1;
    if (!this.fingers.delete(event.pointerId)) return;
    if (alone && !this.pan && this.tool) this.#finish(this.tool.lift());
  }

  /** After a press or a move: a part of the mask changed, or all of it, or nothing but what is under way. */
  #done(change) {
    if (change === true) this.#changed();
    else {
      if (change) {
        this.view.update(change);
        this.#soon();
      }
      this.#draw();
    }
  }

  #finish(changed) {
    if (changed) this.#changed();
    else this.#draw();
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    this.#zoom(this.view.zoom * Math.exp(-event.deltaY / 200), this.#at(event));
  }

  #key(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const react = event.ctrlKey || event.metaKey ? this.#command(key, event.shiftKey) : this.#plain(key, event.shiftKey);
    if (!react) return;
    event.preventDefault();
    event.stopPropagation();
    react();
  }

  #command(key, shift) {
    const name = { z: shift ? "redo" : "undo", y: "redo", s: "save" }[key];
    return name && (() => this.#do(name));
  }

  #plain(key, shift) {
    const zoom = { "+": "in", "=": "in", "-": "out", 0: "fit" }[key];
    if (zoom) return () => this.#do(zoom);
    if (key in KEYS) return () => this.#take(KEYS[key]);
    if (key in ARROWS) return () => this.#steer(ARROWS[key], shift);
    if (key === "[" || key === "]") return () => this.#resize(key === "]" ? 1.25 : 0.8);
    if (key === " ") return () => this.#space();
    if (key === "Enter" && this.tool instanceof Polygon) return () => this.#finish(this.tool.close());
    if (key === "Escape" && this.tool) return () => (this.tool.cancel(), this.view.update(), this.#draw());
    return null;
  }

  #resize(by) {
    this.slider.value = by > 1 ? Math.ceil(this.slider.value * by) : Math.floor(this.slider.value * by);
    this.#draw();
  }

  #steer([dx, dy], shift) {
    const step = Math.max(1, (shift ? 40 : 8) / this.view.zoom);
    const within = (value, most) => Math.min(most, Math.max(0, value));
    this.byKeys = true;
    this.cursor.x = within(this.cursor.x + dx * step, this.mask.width);
    this.cursor.y = within(this.cursor.y + dy * step, this.mask.height);
    const { x, y } = this.view.spot(this.cursor);
    const { width, height } = this.view.size;
    this.view.move(within(x, width) - x, within(y, height) - y);
    if (!this.tool) this.#draw();
    else this.#done(this.tool.move({ ...this.cursor }));
  }

  #space() {
    this.byKeys = true;
    if (!this.tool) return;
    if (this.tool instanceof Pen && this.tool.last) this.#finish(this.tool.lift());
    else this.#done(this.tool.press({ ...this.cursor }, this.view.zoom));
  }

  #unkey() {
    this.byKeys = false;
    if (this.tool instanceof Pen && !this.fingers.size) this.#finish(this.tool.lift());
    else if (this.view) this.#draw();
  }

  #resized() {
    if (!this.view) return;
    if (this.fitted) this.view.magnify(this.view.whole);
    else this.view.keep();
    this.#draw();
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".annotate");
  root.annotator ??= new Annotator(root);
  root.annotator.show(data, setTriggerValue);
  return () =>
    setTimeout(() => {
      if (root.isConnected) return; // drawn again, not taken away
      root.annotator?.close();
      root.annotator = null;
    });
}
