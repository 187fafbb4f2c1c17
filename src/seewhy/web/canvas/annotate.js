// Drawing masks on a photo. Python sends the photo and what is saved, and is told of a new state when somebody saves;
// between two saves the drawing is kept in the browser.

const STOPS = [0.25, 0.5, 1, 2, 4, 8, 16]; // of the zoom buttons

class Annotator {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.slider = root.querySelector("[data-size]");
    this.input = new Input(this);
    this.#listen();
  }

  /** Show what Python says; what is being drawn stays unless it is about another photo or label. */
  show(data, send) {
    this.send = send;
    if (data.identity !== this.data?.identity) this.#open(data);
    else if (this.saving.answered(data)) this.#redraw();
  }

  close() {
    this.#leave();
    this.input.close();
    this.stop.abort();
    this.watch.disconnect();
  }

  get radius() {
    return this.slider.value / 2;
  }

  #open(data) {
    const left = this.#leave();
    this.data = data;
    this.mask = new Mask(data.width, data.height);
    this.saving = new Saving(this.mask, data, () => this.#tell());
    this.view = new View(this.canvas, this.mask);
    this.canvas.style.aspectRatio = `${data.width} / ${data.height}`;
    this.canvas.setAttribute("aria-label", `Drawing area: “${data.label}” on the photo ${data.name}`);
    const smaller = Math.min(data.width, data.height);
    this.slider.max = Math.max(8, Math.round(smaller / 2));
    this.slider.value = Math.max(4, Math.round(smaller / 12));
    this.input.begin(data);
    this.photo = new Image();
    this.photo.onload = () => this.draw();
    this.photo.src = data.photo;
    this.tools = {
      brush: new Pen(this.mask, 1, () => this.radius),
      eraser: new Pen(this.mask, 0, () => this.radius),
      polygon: new Polygon(this.mask),
      region: new Region(this.mask, new Regions(data.regions)),
    };
    this.tool = null;
    this.fitted = true;
    this.view.magnify(this.view.whole);
    this.view.update();
    this.take("brush");
    this.#tell(left + (this.saving.recalled ? "Your drawing is back as you left it; it is not saved yet." : ""));
  }

  /** Keep what is not saved; tells of it. */
  #leave() {
    if (!this.saving) return "";
    this.tool?.interrupt();
    this.saving.close();
    if (this.saving.fresh) return "";
    return `Your drawing of “${this.data.label}” on ${this.data.name} is kept in this browser, not saved. `;
  }

  /** Whether a field was changed that says what is drawn, so that another drawing is about to come. */
  get outdated() {
    const shown = (key) => document.querySelector(`.st-key-${key} input`)?.value;
    return Object.entries(this.data.fields).some(([key, value]) => (shown(key) ?? value) !== value);
  }

  /** Draw nothing on a drawing that is about to go. */
  wait() {
    this.#tell("One moment: you have named something else, and its own drawing is on the way. Draw then.");
  }

  // What is told and drawn.

  /** How things stand, or other `words`. */
  #tell(words = "") {
    const { mask, saving, tool } = this;
    const { fresh } = saving; // asked once: it is a look at every pixel
    const stands = tool?.hint || `${portion(mask)} of the photo is marked; ${saving.words(fresh)}`;
    this.root.querySelector(".state").textContent = words || `${stands} ${saving.trouble}`;
    this.root.querySelector(".conflict").hidden = !saving.conflict;
    this.#button("undo").disabled = !mask.done.length && !tool?.points?.length;
    this.#button("redo").disabled = !mask.undone.length;
    this.#button("save").disabled = fresh || Boolean(saving.waiting);
  }

  #button(name) {
    return this.root.querySelector(`[data-do="${name}"]`);
  }

  draw() {
    this.root.querySelector("[data-zoom]").textContent = `${Math.round(100 * this.view.zoom)} %`;
    this.slider.setAttribute("aria-valuetext", `${this.slider.value} pixels of the photo`);
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() =>
      this.view.draw(this.photo, (pen, view) => {
        this.tools.region.draw(pen, view);
        this.tools.polygon.draw(pen, view);
        this.input.draw(pen, view);
      }),
    );
  }

  // What people do.

  #listen() {
    this.stop = new AbortController();
    const on = (target, kind, react) => target.addEventListener(kind, react, { signal: this.stop.signal });
    for (const button of this.root.querySelectorAll("[data-tool]"))
      on(button, "click", () => this.take(button.dataset.tool));
    for (const button of this.root.querySelectorAll("[data-do]")) on(button, "click", () => this.do(button.dataset.do));
    for (const kind of ["pagehide", "visibilitychange"]) on(globalThis, kind, () => this.saving?.keep());
    on(globalThis, "storage", (event) => this.saving?.keepAgain(event));
    this.watch = new ResizeObserver(() => this.#resized());
    this.watch.observe(this.canvas);
  }

  take(name) {
    if (this.tool?.interrupt()) this.changed();
    this.tool = this.tools[name] ?? null; // without a tool the hand moves the photo
    this.canvas.classList.toggle("hand", !this.tool);
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    this.#tell();
    this.draw();
  }

  do(name) {
    const { mask, view } = this;
    const steps = {
      undo: () => this.#undo(),
      redo: () => (this.interrupt(), this.finish(mask.redo())),
      clear: () => this.#clear(),
      in: () => this.zoom(STOPS.find((stop) => stop > view.zoom * 1.01) ?? view.zoom, this.input.place),
      out: () => this.zoom(STOPS.findLast((stop) => stop < view.zoom * 0.99) ?? view.zoom, this.input.place),
      fit: () => this.zoom(view.whole),
      save: () => this.#save(),
      theirs: () => this.#adopt(true),
      mine: () => (this.#adopt(false), this.#save()),
    };
    steps[name]();
  }

  #save() {
    this.saving.save(this.send);
    this.#tell();
  }

  #adopt(theirs) {
    this.saving.adopt(theirs);
    this.#redraw();
  }

  /** What is under way comes first, then the last corner of a polygon, then the last step. */
  #undo() {
    if (this.tool?.interrupt()) this.changed();
    else if (this.tool?.points?.length) {
      this.tool.points.pop();
      this.finish(false);
    } else this.finish(this.mask.undo());
  }

  #clear() {
    this.tool?.interrupt();
    this.tools.polygon.forget();
    this.mask.begin();
    this.mask.fill(0);
    this.finish(this.mask.end());
  }

  closePolygon() {
    if (this.tool instanceof Polygon) this.finish(this.tool.close());
  }

  escape() {
    if (this.tool instanceof Polygon) this.tool.forget();
    this.interrupt();
  }

  interrupt() {
    if (this.tool?.interrupt()) this.changed();
    else this.finish(false);
  }

  /** After a press or a move: a box of the mask has changed, or nothing but what is under way. */
  done(box) {
    if (box) {
      this.view.update(box);
      this.saving.changed();
    }
    this.draw();
  }

  finish(changed) {
    if (changed) this.changed();
    else {
      this.#tell();
      this.draw();
    }
  }

  changed() {
    this.saving.changed();
    this.#redraw();
  }

  #redraw() {
    this.view.update();
    this.#tell();
    this.draw();
  }

  resize(by) {
    this.slider.value = by > 1 ? Math.ceil(this.slider.value * by) : Math.floor(this.slider.value * by);
    this.draw();
  }

  pan(dx, dy) {
    this.view.move(dx, dy);
    this.draw();
  }

  zoom(zoom, to, from) {
    this.view.magnify(zoom, to, from);
    this.fitted = Math.abs(this.view.zoom - this.view.whole) < 1e-6;
    this.draw();
  }

  #resized() {
    if (!this.view) return;
    if (this.fitted) this.view.magnify(this.view.whole);
    else this.view.keep();
    this.draw();
  }
}

/** How much of the photo is marked, in words. */
function portion(mask) {
  const share = mask.area / mask.bits.length;
  if (share && share < 0.01) return "Less than 1 %";
  if (share < 1 && share > 0.99) return "More than 99 %";
  return `${Math.round(100 * share)} %`;
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
