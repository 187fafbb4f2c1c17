// Where a drawing stands: saved by the server, on the way to it, or kept in this browser alone.

const SOON = 800; // milliseconds until a change is kept
const PATIENCE = 10000; // milliseconds that a server may take to answer
const UNANSWERED = "The server does not answer. Your drawing is kept in this browser: save again in a while.";
const REFUSED = "It could not be saved; below is why.";
const FORGETFUL = "This browser keeps no drafts: save before you leave.";

class Saving {
  /** Bring the mask to the last state that Python or this browser knows; `tell` is called when more is to be told. */
  constructor(mask, data, tell) {
    Object.assign(this, { mask, data, tell, touched: false, sent: null, waiting: null, conflict: false, trouble: "" });
    this.#take(data.saved ?? { revision: 0, counts: mask.counts });
    this.draft = new Draft(data.identity);
    const kept = this.draft.find();
    const whole = kept?.counts?.reduce((sum, length) => sum + length, 0) === mask.bits.length;
    this.recalled = whole && JSON.stringify(kept.counts) !== this.saved;
    if (!this.recalled) return;
    mask.load(kept.counts);
    this.base = kept.base;
  }

  /** Whether nothing is to be saved. */
  get fresh() {
    return JSON.stringify(this.mask.counts) === this.saved;
  }

  /** The drawing was changed in this window. */
  changed() {
    this.touched = true;
    this.timer ??= setTimeout(() => this.keep(), SOON);
  }

  /** Keep the drawing in this browser, unless another window may know better, or all of it is saved. */
  keep() {
    clearTimeout(this.timer);
    this.timer = null;
    if (!this.touched) return;
    if (this.fresh) this.draft.forget();
    else if (!this.draft.keep(this.base, this.mask.counts)) this.#troubled(FORGETFUL);
  }

  /** Another window has saved and kept nothing any longer: what is drawn in this one is all there is of it. */
  keepAgain({ key, newValue }) {
    if (key !== this.draft.place || newValue !== null || this.fresh) return;
    this.touched = true;
    this.keep();
  }

  save(send) {
    if (this.waiting || this.fresh) return;
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const key = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const counts = this.mask.counts;
    this.#settle();
    this.sent = { key, text: JSON.stringify(counts) }; // remembered when time is up: an answer may still come
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.#troubled(UNANSWERED);
    }, PATIENCE);
    this.touched = true;
    this.keep();
    send("save", { identity: this.data.identity, counts, base: this.base, key });
  }

  /** What came of a save; says whether anything is another way now. */
  answered(data) {
    this.data = data;
    if (this.sent && data.refused === this.sent.key) {
      this.#settle();
      this.trouble = REFUSED;
      return true;
    }
    if (!data.saved || data.saved.revision <= this.base) return false;
    const text = JSON.stringify(data.saved.counts);
    if (!this.sent) return this.fresh && this.#take(data.saved); // drawn in another window, and none here is lost
    this.conflict = text !== this.sent.text;
    if (!this.conflict) {
      [this.base, this.saved] = [data.saved.revision, text];
      this.keep();
    }
    this.#settle();
    return true;
  }

  /** After a conflict: go on with what is saved, or with this drawing, as the next revision. */
  adopt(theirs) {
    const mine = this.mask.counts;
    this.#take(this.data.saved);
    if (!theirs) this.mask.load(mine);
    this.conflict = false;
    this.changed();
  }

  /** The last word: to keep what is not kept yet, and to wait no longer. */
  close() {
    this.keep();
    this.#settle();
  }

  words(fresh) {
    const saved = this.base ? `saved, revision ${this.base}.` : "nothing to save yet.";
    return this.waiting ? "saving …" : fresh ? saved : "not saved yet.";
  }

  #take({ revision, counts }) {
    this.base = revision;
    this.saved = JSON.stringify(counts);
    this.mask.load(counts);
    return true;
  }

  #settle() {
    clearTimeout(this.waiting);
    this.waiting = this.sent = null;
    this.trouble = "";
  }

  #troubled(words) {
    this.trouble = words;
    this.tell();
  }
}

/** A drawing in this browser's storage. */
class Draft {
  constructor(identity) {
    this.place = `seewhy-draft ${identity}`;
    this.own = null; // what this window has kept; another one may have kept something else since
  }

  /** The run lengths, and the revision they go on from; null where nothing is kept. */
  find() {
    try {
      return JSON.parse(localStorage.getItem(this.place));
    } catch {
      return null;
    }
  }

  /** Says whether the browser has taken it. */
  keep(base, counts) {
    try {
      this.own = JSON.stringify({ base, counts });
      localStorage.setItem(this.place, this.own);
      return true;
    } catch {
      return false;
    }
  }

  /** What another window keeps stays. */
  forget() {
    try {
      if (localStorage.getItem(this.place) === this.own) localStorage.removeItem(this.place);
    } catch {
      // nothing was kept
    }
  }
}
