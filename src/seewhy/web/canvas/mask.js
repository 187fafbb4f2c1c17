// A mask in the picture's own pixels, and every way to change it. Pixels lie column by column, as in COCO's run lengths.

class Mask {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.bits = new Uint8Array(width * height);
    this.undone = [];
    this.done = [];
  }

  /** How many pixels are marked. */
  get area() {
    return this.counts.reduce((sum, length, turn) => (turn % 2 ? sum + length : sum), 0);
  }

  /** COCO's run lengths: unmarked, marked, unmarked … */
  get counts() {
    const counts = [];
    let value = 0, start = 0;
    for (let place = 0; place <= this.bits.length; place++) {
      if (this.bits[place] === value) continue;
      counts.push(place - start);
      start = place;
      value = 1 - value;
    }
    return counts;
  }

  /** Take over run lengths; what can be undone is forgotten. */
  load(counts) {
    this.#take(counts);
    this.done = [];
    this.undone = [];
  }

  has({ x, y }) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  /** Begin a step that can be undone as a whole. */
  begin() {
    this.before = this.counts;
  }

  /** End it; says whether anything has changed. */
  end() {
    if (String(this.before) === String(this.counts)) return false;
    this.done.push(this.before);
    if (this.done.length > STEPS) this.done.shift();
    this.undone = [];
    return true;
  }

  /** Take back what was changed since the step began, as if it never had. */
  revert() {
    this.#take(this.before);
  }

  undo() {
    return this.#again(this.done, this.undone);
  }

  redo() {
    return this.#again(this.undone, this.done);
  }

  /** Mark (1) or clear (0) what lies within `radius` of the line between two points. */
  stroke(from, to, radius, value) {
    const { width, height, bits } = this;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const length = dx * dx + dy * dy;
    const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - radius));
    const right = Math.min(width - 1, Math.ceil(Math.max(from.x, to.x) + radius));
    const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - radius));
    const bottom = Math.min(height - 1, Math.ceil(Math.max(from.y, to.y) + radius));
    for (let x = left; x <= right; x++)
      for (let y = top; y <= bottom; y++) {
        const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
        const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
        if (Math.hypot(px - along * dx, py - along * dy) <= radius) bits[x * height + y] = value;
      }
    return { left, top, right, bottom };
  }

  /** Mark or clear the inside of a polygon: the pixels whose centres lie in it, by the even-odd rule. */
  polygon(points, value) {
    for (let x = 0; x < this.width; x++) {
      const crossings = [];
      points.forEach((from, place) => {
        const to = points[(place + 1) % points.length];
        const centre = x + 0.5;
        if (from.x <= centre === to.x <= centre) return;
        crossings.push(from.y + ((centre - from.x) / (to.x - from.x)) * (to.y - from.y));
      });
      crossings.sort((a, b) => a - b);
      for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
        const first = Math.max(0, Math.ceil(crossings[pair] - 0.5));
        const last = Math.min(this.height, Math.ceil(crossings[pair + 1] - 0.5));
        if (first < last) this.bits.fill(value, x * this.height + first, x * this.height + last);
      }
    }
  }

  /** Mark the region under a point, or clear it where most of it is marked. */
  region(regions, point) {
    const { width, height, bits } = this;
    const wanted = regions.at(point, this);
    const rows = Int32Array.from({ length: height }, (_, y) => regions.row(y, this) * regions.width);
    const places = [];
    let marked = 0;
    for (let x = 0; x < width; x++) {
      const column = regions.column(x, this);
      for (let y = 0; y < height; y++) {
        if (regions.labels[rows[y] + column] !== wanted) continue;
        marked += bits[x * height + y];
        places.push(x * height + y);
      }
    }
    const value = marked * 2 > places.length ? 0 : 1;
    for (const place of places) bits[place] = value;
  }

  fill(value) {
    this.bits.fill(value);
  }

  #take(counts) {
    let place = 0;
    counts.forEach((length, turn) => this.bits.fill(turn % 2, place, (place += length)));
  }

  /** Go back to what was before a step, or forth; what is now can be come back to. */
  #again(from, to) {
    const counts = from.pop();
    if (!counts) return false;
    to.push(this.counts);
    this.#take(counts);
    return true;
  }
}

/** Regions of the picture on a grid of their own, which may be coarser: row by row, as runs of [label, length]. */
class Regions {
  constructor({ width, height, runs }) {
    this.width = width;
    this.height = height;
    this.labels = new Int32Array(width * height);
    let place = 0;
    for (let run = 0; run < runs.length; run += 2) this.labels.fill(runs[run], place, (place += runs[run + 1]));
  }

  /** The region of a pixel of a mask. */
  at({ x, y }, mask) {
    return this.labels[this.row(Math.floor(y), mask) * this.width + this.column(Math.floor(x), mask)];
  }

  /** The border of a region, in cells of the grid. */
  border(region) {
    const { width, height, labels } = this;
    const path = new Path2D();
    const within = (x, y) => x >= 0 && y >= 0 && x < width && y < height && labels[y * width + x] === region;
    for (let y = 0; y <= height; y++)
      for (let x = 0; x <= width; x++) {
        const here = within(x, y);
        if (here !== within(x - 1, y)) path.rect(x, y, 0, 1);
        if (here !== within(x, y - 1)) path.rect(x, y, 1, 0);
      }
    return path;
  }

  column(x, mask) {
    return Math.min(this.width - 1, Math.floor(((x + 0.5) * this.width) / mask.width));
  }

  row(y, mask) {
    return Math.min(this.height - 1, Math.floor(((y + 0.5) * this.height) / mask.height));
  }
}

const STEPS = 60; // that can be undone
