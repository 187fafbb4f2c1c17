// Fingers, mouse and keys on the canvas: what they mean to the tools and to the view.

const KEYS = { b: "brush", e: "eraser", p: "polygon", r: "region", h: "hand" };
const ZOOMS = { "+": "in", "=": "in", "-": "out", 0: "fit" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const [STEP, FAR] = [8, 40]; // pixels of the screen that an arrow key goes, and with Shift
const NEAR = { touch: 22, mouse: 10, pen: 10 }; // pixels of the screen within which a polygon is closed
const LINE = 30; // pixels of a wheel that counts lines

class Input {
  constructor(annotator) {
    this.annotator = annotator;
    this.canvas = annotator.canvas;
    this.fingers = new Map(); // and the mouse: where each that is down is
    this.hover = null; // where the mouse is
    this.byKeys = false; // whether the cross is steered
    this.space = false; // held, to move the photo by the mouse
    this.#listen();
  }

  /** A new photo: the cross begins in its middle. */
  begin({ width, height }) {
    this.cross = { x: width / 2, y: height / 2 };
  }

  close() {
    this.stop.abort();
  }

  /** Where in the canvas the cross is, while it is steered. */
  get place() {
    return this.byKeys ? this.annotator.view.spot(this.cross) : undefined;
  }

  draw(pen, view) {
    const { tool, radius } = this.annotator;
    if (this.byKeys) this.#drawCross(pen, view);
    else if (this.hover && tool instanceof Pen) circle(pen, this.hover, radius * view.zoom);
  }

  #drawCross(pen, view) {
    const { tool, radius } = this.annotator;
    const spot = view.spot(this.cross);
    circle(pen, spot, tool instanceof Pen ? radius * view.zoom : 0);
    pen.beginPath();
    for (const [dx, dy] of Object.values(ARROWS)) {
      pen.moveTo(spot.x + 4 * dx, spot.y + 4 * dy);
      pen.lineTo(spot.x + 12 * dx, spot.y + 12 * dy);
    }
    outlined(pen);
  }

  #listen() {
    this.stop = new AbortController();
    const { root, slider } = this.annotator;
    const on = (target, kind, react) =>
      target.addEventListener(kind, (event) => this.annotator.view && react(event), {
        signal: this.stop.signal,
        passive: false,
      });
    on(this.canvas, "pointerdown", (event) => this.#press(event));
    on(this.canvas, "pointermove", (event) => this.#move(event));
    on(this.canvas, "pointerup", (event) => this.#lift(event));
    on(this.canvas, "pointercancel", (event) => this.#lift(event));
    on(this.canvas, "pointerleave", () => this.#point(null));
    on(this.canvas, "dblclick", () => this.annotator.closePolygon());
    on(this.canvas, "wheel", (event) => this.#wheel(event));
    on(this.canvas, "focus", () => this.canvas.matches(":focus-visible") && this.#steered(true));
    on(this.canvas, "blur", () => this.#left());
    on(root, "keydown", (event) => this.#key(event));
    on(root, "keyup", (event) => event.key === " " && this.#hold(false));
    on(slider, "input", () => this.#point({ x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 }));
    on(slider, "change", () => this.#point(null)); // how large the brush is was seen in the middle
  }

  // Fingers and mouse.

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #point(place) {
    this.hover = place;
    if (!place && !this.byKeys) this.annotator.tool?.leave?.();
    this.annotator.draw();
  }

  #press(event) {
    const { annotator, canvas } = this;
    const { tool, view } = annotator;
    event.preventDefault();
    canvas.focus({ preventScroll: true, focusVisible: false });
    if (this.byKeys) annotator.finish(tool?.lift());
    this.byKeys = false;
    if (annotator.outdated) {
      annotator.wait();
      return;
    }
    canvas.setPointerCapture(event.pointerId);
    const place = this.#at(event);
    this.fingers.set(event.pointerId, place);
    if (this.fingers.size > 1) annotator.interrupt(); // the first finger was not meant to draw
    else {
      this.pan = event.button === 1 || this.space || !tool;
      if (this.pan || event.button !== 0) return;
      annotator.done(tool.press(view.point(place), NEAR[event.pointerType] / view.zoom));
    }
  }

  #move(event) {
    const { tool, view } = this.annotator;
    const before = this.fingers.get(event.pointerId);
    const place = this.#at(event);
    this.hover = event.pointerType === "touch" ? null : place;
    if (before) this.fingers.set(event.pointerId, place);
    else if (this.byKeys) return;
    this.cross = view.point(place);
    if (before && (this.pan || this.fingers.size > 1)) this.#carry(event.pointerId, before, place);
    else if (!tool) this.annotator.draw();
    else {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const each of all.length ? all : [event]) this.annotator.done(tool.move(view.point(this.#at(each))));
    }
  }

  /** Move by one finger or the hand, move and zoom by two. */
  #carry(finger, before, place) {
    const { annotator } = this;
    const other = [...this.fingers].find(([each]) => each !== finger)?.[1];
    if (!other) annotator.pan(place.x - before.x, place.y - before.y);
    else {
      const apart = (one) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
      const middle = (one) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
      annotator.zoom((annotator.view.zoom * apart(place)) / apart(before), middle(place), middle(before));
    }
  }

  #lift(event) {
    const alone = this.fingers.size === 1;
    if (!this.fingers.delete(event.pointerId) || !alone || this.pan) return;
    if (event.type === "pointercancel") this.annotator.interrupt();
    else this.annotator.finish(this.annotator.tool?.lift());
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const turned = event.deltaY * (event.deltaMode ? LINE : 1);
    this.annotator.zoom(this.annotator.view.zoom * Math.exp(-turned / 200), this.#at(event));
  }

  // Keys.

  #key(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const react = event.ctrlKey || event.metaKey ? this.#command(key, event.shiftKey) : this.#plain(key, event);
    if (!react || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    react();
  }

  #command(key, shift) {
    const name = { z: shift ? "redo" : "undo", y: "redo", s: "save" }[key];
    return name && (() => this.annotator.do(name));
  }

  #plain(key, { target, shiftKey, repeat }) {
    const { annotator } = this;
    if (key in ZOOMS) return () => annotator.do(ZOOMS[key]);
    if (key in KEYS) return () => annotator.take(KEYS[key]);
    if (key === "[" || key === "]") return () => annotator.resize(key === "]" ? 1.25 : 0.8);
    if (target !== this.canvas) return null; // buttons and the slider have keys of their own
    if (key in ARROWS) return () => this.#steer(ARROWS[key], shiftKey ? FAR : STEP);
    if (key === " ") return () => repeat || (this.byKeys ? this.#mark() : this.#hold(true));
    if (key === "Enter") return () => annotator.closePolygon();
    if (key === "Escape") return () => annotator.escape();
    return null;
  }

  #steer([dx, dy], step) {
    const { annotator } = this;
    const { tool, view, mask } = annotator;
    if (!tool) {
      annotator.pan(-5 * step * dx, -5 * step * dy);
      return;
    }
    const within = (value, most) => Math.min(most, Math.max(0, value));
    const far = Math.max(1, step / view.zoom);
    this.byKeys = true;
    this.cross = { x: within(this.cross.x + dx * far, mask.width), y: within(this.cross.y + dy * far, mask.height) };
    const { x, y } = view.spot(this.cross);
    view.move(within(x, view.size.width) - x, within(y, view.size.height) - y);
    annotator.done(tool.move(this.cross));
  }

  /** Put the brush down or lift it, set a corner, mark a region. */
  #mark() {
    const { annotator } = this;
    const { tool, view } = annotator;
    if (!tool) return;
    if (annotator.outdated) annotator.wait();
    else if (tool instanceof Pen && !tool.last) annotator.done(tool.press(this.cross));
    else {
      if (!(tool instanceof Pen)) tool.press(this.cross, NEAR.mouse / view.zoom);
      annotator.finish(tool.lift());
    }
  }

  #hold(held) {
    this.space = held;
    this.canvas.classList.toggle("held", held);
  }

  #steered(byKeys) {
    this.byKeys = byKeys;
    this.annotator.draw();
  }

  #left() {
    this.#hold(false);
    if (this.byKeys && this.annotator.tool instanceof Pen) this.annotator.finish(this.annotator.tool.lift());
    this.annotator.tool?.leave?.();
    this.#steered(false);
  }
}

function circle(pen, { x, y }, radius) {
  pen.beginPath();
  pen.arc(x, y, Math.max(3, radius), 0, 2 * Math.PI);
  outlined(pen);
}
