/** Keeps what scrolls at its end while more comes, unless somebody has scrolled up: then it stays where it is. */

/** Pixels from its end that still count as being there. */
const NEAR = 24;

export class KeptAtEnd {
  #box: Pick<HTMLElement, "scrollTop" | "scrollHeight" | "clientHeight">;
  #atEnd = true;
  /** Where it was scrolled to, which what is hidden may forget. */
  #top = 0;

  constructor(box: Pick<HTMLElement, "scrollTop" | "scrollHeight" | "clientHeight">) {
    this.#box = box;
  }

  /** It was scrolled, by somebody or from here. */
  scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    // What is hidden has no height, and nobody scrolls it.
    if (clientHeight === 0) return;
    // The event comes late: by then more lines, or a smaller box, may have moved the end away. Only going up leaves it.
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.#atEnd = true;
    else if (scrollTop < this.#top) this.#atEnd = false;
    this.#top = scrollTop;
  }

  /** More has come: shows the end if it was shown before. */
  toEnd(): void {
    if (this.#atEnd) this.#box.scrollTop = this.#box.scrollHeight;
  }

  /** It is shown again, or has another size: shows what it showed before. */
  again(): void {
    if (this.#atEnd) return this.toEnd();
    this.#box.scrollTop = this.#top;
  }
}
