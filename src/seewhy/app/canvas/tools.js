// What pointers and keys do to the mask, tool by tool.

const NEAR = 10; // pixels of the screen within which a polygon is closed

/** Brush and eraser: from `press` to `lift` one step. */
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

  cancel() {
    if (this.lift()) this.mask.undo();
  }

  interrupt() {
    this.cancel();
  }

  draw() {}
}

/** Corner after corner; closed by the first one again, a double click or Enter. */
class Polygon {
  constructor(mask) {
    this.mask = mask;
    this.points = [];
  }

  press(point, zoom) {
    const [first] = this.points;
    if (first && this.points.length > 2 && Math.hypot(point.x - first.x, point.y - first.y) * zoom <= NEAR)
      return this.close();
    this.points.push(point);
    return null;
  }

  move(point) {
    this.here = point;
    return null;
  }

  /** Mark the inside; says whether anything has changed. */
  close() {
    const points = this.points;
    this.points = [];
    if (points.length < 3) return false;
    this.mask.begin();
    this.mask.polygon(points, 1);
    return this.mask.end();
  }

  lift() {
    return false;
  }

  cancel() {
    this.points = [];
  }

  interrupt() {
    this.points.pop();
  }

  draw(pen, view) {
    if (!this.points.length) return;
    pen.beginPath();
    for (const point of this.here ? [...this.points, this.here] : this.points) {
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

/** One region of the picture at a time, marked or cleared. */
class Region {
  constructor(mask, regions) {
    Object.assign(this, { mask, regions });
  }

  press(point) {
    const { width, height } = this.mask;
    if (point.x < 0 || point.y < 0 || point.x >= width || point.y >= height) return false;
    this.mask.begin();
    this.mask.region(this.regions, point);
    this.changed = this.mask.end();
    return this.changed;
  }

  move() {
    return null;
  }

  lift() {
    this.changed = false;
    return false;
  }

  cancel() {}

  interrupt() {
    if (this.changed) this.mask.undo();
  }

  draw() {}
}

/** A line that is seen on any picture. */
function outlined(pen) {
  pen.lineJoin = "round";
  for (const [colour, width] of [["#000c", 4], ["#fff", 2]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }
}
