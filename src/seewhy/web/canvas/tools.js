// What a press, a move and a lift do to the mask, tool by tool. `lift` and `interrupt` say whether the mask has changed;
// `interrupt` takes a press back: a second finger came, or another tool.

/** Brush and eraser: from press to lift one step. `move` says which box of pixels to draw anew. */
class Pen {
  constructor(mask, value, radius) {
    Object.assign(this, { mask, value, radius });
  }

  press(point) {
    this.mask.begin();
    this.last = point;
    return this.move(point);
  }

  move(point) {
    if (!this.last) return null;
    const box = this.mask.stroke(this.last, point, this.radius(), this.value);
    this.last = point;
    return box;
  }

  lift() {
    if (!this.last) return false;
    this.last = null;
    return this.mask.end();
  }

  interrupt() {
    if (!this.last) return false;
    this.last = null;
    this.mask.revert();
    return true;
  }
}

/** What acts when the mouse or the finger lifts, and forgets about it where it leaves or a second finger comes. */
class Pointer {
  interrupt() {
    this.held = false;
    this.leave();
    return false;
  }

  leave() {
    this.here = null;
  }
}

/** Corner after corner; closed by the first one again, a double click or Enter. Stays open under another tool. */
class Polygon extends Pointer {
  constructor(mask) {
    super();
    this.mask = mask;
    this.points = [];
  }

  get hint() {
    return this.points.length > 2 ? "Set the first corner again, or press Enter, to close the polygon." : "";
  }

  /** `near` is how far from the first corner, in pixels of the picture, is still on it. */
  press(point, near) {
    Object.assign(this, { here: point, near, held: true });
    return null;
  }

  move(point) {
    this.here = point;
    return null;
  }

  lift() {
    if (!this.held) return false;
    this.held = false;
    const [first] = this.points;
    if (first && this.points.length > 2 && Math.hypot(this.here.x - first.x, this.here.y - first.y) <= this.near)
      return this.close();
    this.points.push(this.here);
    return false;
  }

  /** Mark the inside. */
  close() {
    const points = this.points;
    this.forget();
    if (points.length < 3) return false;
    this.mask.begin();
    this.mask.polygon(points, 1);
    return this.mask.end();
  }

  forget() {
    this.interrupt();
    this.points = [];
  }

  draw(pen, view) {
    const points = this.here ? [...this.points, this.here] : this.points;
    if (!points.length || (!this.points.length && !this.held)) return;
    pen.beginPath();
    for (const point of points) {
      const { x, y } = view.spot(point);
      pen.lineTo(x, y);
    }
    outlined(pen);
    for (const point of this.points) {
      const { x, y } = view.spot(point);
      pen.beginPath();
      pen.arc(x, y, 4, 0, 2 * Math.PI);
      outlined(pen);
    }
  }
}

/** One region of the picture at a time, which is seen before it is marked or cleared. */
class Region extends Pointer {
  constructor(mask, regions) {
    super();
    Object.assign(this, { mask, regions });
  }

  press(point) {
    this.held = true;
    return this.move(point);
  }

  move(point) {
    this.here = this.mask.has(point) ? point : null;
    return null;
  }

  lift() {
    const { held, here, mask } = this;
    this.held = false;
    if (!held || !here) return false;
    mask.begin();
    mask.region(this.regions, here);
    return mask.end();
  }

  draw(pen, view) {
    if (!this.here) return;
    const { mask, regions } = this;
    const region = regions.at(this.here, mask);
    if (region !== this.seen) [this.seen, this.border] = [region, regions.border(region)];
    const [across, down] = [(view.zoom * mask.width) / regions.width, (view.zoom * mask.height) / regions.height];
    const path = new Path2D();
    path.addPath(this.border, { a: across, d: down, e: view.left, f: view.top });
    outlined(pen, path);
  }
}

/** A line that is seen on any picture: a path, or the one that was begun last. */
function outlined(pen, ...path) {
  pen.lineJoin = "round";
  for (const [colour, width] of [["#000c", 4], ["#fff", 2]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke(...path);
  }
}
