/** An element's place in a line. It is in one line at a time. */
export type Place = { line: object | undefined; before: Place | undefined; after: Place | undefined };

/** The place of an element that is in no line; to be spread into the element. */
export const nowhere: Readonly<Place> = { line: undefined, before: undefined, after: undefined };

/**
 * Elements in the order in which they were added, linked by themselves: a Set for elements that come and go
 * with calls. V8 links each table that a Set has outgrown to its next one. Once such a table is in the old
 * generation, all later ones survive with what they held until a full collection.
 */
export class Line<T extends Place> {
  #first: Place | undefined;
  #last: Place | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(element: T): void {
    const last = this.#last;
    element.line = this;
    element.before = last;
    if (last) last.after = element;
    else this.#first = element;
    this.#last = element;
    this.#size += 1;
  }

  /** Returns false if the element is not in this line. */
  delete(element: T): boolean {
    if (element.line !== this) return false;
    const { before, after } = element;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    // An element that is gone must keep nothing that comes later.
    Object.assign(element, nowhere);
    this.#size -= 1;
    return true;
  }

  /** The element that it yields may be deleted. */
  *[Symbol.iterator](): Generator<T> {
    for (let place = this.#first; place !== undefined;) {
      const { after } = place;
      yield place as T;
      place = after;
    }
  }
}
