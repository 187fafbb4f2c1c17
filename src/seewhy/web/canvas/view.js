// How the picture and the mask are seen: zoom, place, and the drawing of both on a canvas.

const MOST = 1600; // pixels of the longer side of what is laid over the picture
const [SMALLEST, LARGEST] = [0.1, 16]; // zoom, unless all of the picture is seen at a smaller or a larger one
// Red, green, blue and opacity of what is marked, and of its outline, which is seen on a photo of any colour.
const [MARK, EDGE] = new Uint32Array(Uint8Array.of(255, 122, 26, 130, 255, 255, 255, 235).buffer);

class View {
  constructor(canvas, mask) {
    this.canvas = canvas;
    this.mask = mask;
    this.zoom = 1; // pixels of the screen, as CSS counts them, for one of the picture
    this.left = 0; // where the picture's corner lies in the canvas
    this.top = 0;
    this.fine = Math.min(1, MOST / Math.max(mask.width, mask.height));
    this.layer = Object.assign(document.createElement("canvas"), {
      width: Math.max(1, Math.round(mask.width * this.fine)),
      height: Math.max(1, Math.round(mask.height * this.fine)),
    });
    this.over = this.layer.getContext("2d");
  }

  /** Size in pixels of the screen, as CSS counts them. */
  get size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /** The zoom at which all of the picture is seen. */
  get whole() {
    const { width, height } = this.size;
    return Math.min(width / this.mask.width, height / this.mask.height);
  }

  /** Zoom so that what lay at one place of the canvas comes to lie at another, by default in the middle as before. */
  magnify(zoom, to = { x: this.size.width / 2, y: this.size.height / 2 }, from = to) {
    const point = this.point(from);
    this.zoom = Math.min(Math.max(LARGEST, this.whole), Math.max(Math.min(SMALLEST, this.whole), zoom));
    this.left = to.x - point.x * this.zoom;
    this.top = to.y - point.y * this.zoom;
    this.keep();
  }

  move(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.keep();
  }

  /** A picture that is smaller than the canvas stays in its middle, a larger one covers it. */
  keep() {
    const { width, height } = this.size;
    const between = (value, space, length) =>
      length <= space ? (space - length) / 2 : Math.min(0, Math.max(space - length, value));
    this.left = between(this.left, width, this.mask.width * this.zoom);
    this.top = between(this.top, height, this.mask.height * this.zoom);
  }

  /** Where in the picture a place of the canvas is. */
  point({ x, y }) {
    return { x: (x - this.left) / this.zoom, y: (y - this.top) / this.zoom };
  }

  /** Where in the canvas a place of the picture is. */
  spot({ x, y }) {
    return { x: this.left + x * this.zoom, y: this.top + y * this.zoom };
  }

  /** Bring what is laid over the picture up to date, in a part of it or everywhere. */
  update(box) {
    const { mask, fine, layer } = this;
    const all = box ?? { left: 0, top: 0, right: mask.width - 1, bottom: mask.height - 1 };
    const left = Math.max(0, Math.floor(all.left * fine) - 2), top = Math.max(0, Math.floor(all.top * fine) - 2);
    const width = Math.min(layer.width, Math.ceil((all.right + 1) * fine) + 2) - left;
    const height = Math.min(layer.height, Math.ceil((all.bottom + 1) * fine) + 2) - top;
    if (width <= 0 || height <= 0) return;
    const pixels = new ImageData(width, height);
    const colours = new Uint32Array(pixels.data.buffer);
    const spread = (start, count, most) =>
      Int32Array.from({ length: count + 2 }, (_, place) =>
        Math.min(most - 1, Math.max(0, Math.floor((start + place - 0.5) / fine))),
      );
    const columns = spread(left, width, mask.width), rows = spread(top, height, mask.height);
    const marked = (column, row) => mask.bits[columns[column] * mask.height + rows[row]];
    for (let row = 1; row <= height; row++)
      for (let column = 1; column <= width; column++) {
        if (!marked(column, row)) continue;
        const inner =
          marked(column - 1, row) && marked(column + 1, row) && marked(column, row - 1) && marked(column, row + 1);
        colours[(row - 1) * width + column - 1] = inner ? MARK : EDGE;
      }
    this.over.putImageData(pixels, left, top);
  }

  /** Draw the photo, the mask, and what `tools` has under way. */
  draw(photo, tools) {
    const { width, height } = this.size;
    const fine = globalThis.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * fine), Math.round(height * fine)];
    if (this.canvas.width !== wide || this.canvas.height !== high) [this.canvas.width, this.canvas.height] = [wide, high];
    const pen = this.canvas.getContext("2d");
    pen.setTransform(fine, 0, 0, fine, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.imageSmoothingEnabled = this.zoom < 3;
    const area = [this.left, this.top, this.mask.width * this.zoom, this.mask.height * this.zoom];
    if (photo.complete) pen.drawImage(photo, ...area);
    pen.imageSmoothingEnabled = this.zoom < this.fine; // or the outline would have gaps
    pen.drawImage(this.layer, ...area);
    tools(pen, this);
  }
}
