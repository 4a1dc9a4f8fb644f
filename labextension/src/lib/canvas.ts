/** Canvases that are sharp on every screen, follow the size of their element and are drawn once a frame at most; bitmaps; files to keep. */

export interface Frame {
  context: CanvasRenderingContext2D;
  /** In CSS pixels. */
  width: number;
  height: number;
  /** Device pixels for each CSS pixel. */
  ratio: number;
}

export class Surface {
  readonly canvas = document.createElement("canvas");
  #context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
  #observer = new ResizeObserver(() => this.resize());
  #frame = 0;
  #width = 0;
  #height = 0;

  /** Draws with `draw` whenever asked to by `redraw`, or when `box`, whose size the canvas takes, changes. */
  constructor(
    readonly box: HTMLElement,
    readonly draw: (frame: Frame) => void,
  ) {
    this.canvas.setAttribute("aria-hidden", "true");
    box.append(this.canvas);
    this.#observer.observe(box);
  }

  get width(): number {
    return this.#width;
  }

  get height(): number {
    return this.#height;
  }

  get ratio(): number {
    return Math.max(1, Math.min(3, window.devicePixelRatio || 1));
  }

  /** Takes the size of the box. */
  resize(): void {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    const [wide, high] = [Math.round(width * this.ratio), Math.round(height * this.ratio)];
    if (width === this.#width && height === this.#height && wide === this.canvas.width && high === this.canvas.height) return;
    [this.#width, this.#height] = [width, height];
    // Setting a length clears the canvas, so it is drawn at once and not in the next frame.
    [this.canvas.width, this.canvas.height] = [wide, high];
    [this.canvas.style.width, this.canvas.style.height] = [`${width}px`, `${height}px`];
    this.#now();
  }

  /** Draws in the next frame, however often it is asked to. */
  redraw(): void {
    this.#frame ||= requestAnimationFrame(() => this.#now());
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    this.#observer.disconnect();
    this.canvas.remove();
  }

  #now(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#width === 0 || this.#height === 0) return;
    this.#context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.#context.clearRect(0, 0, this.#width, this.#height);
    this.draw({ context: this.#context, width: this.#width, height: this.#height, ratio: this.ratio });
  }
}

/**
 * Calls back in the next frame after an element's size has changed, so that what it does to sizes doesn't make the
 * browser complain of a loop; returns what ends that.
 */
export function onResize(element: Element, callback: () => void): () => void {
  let frame = 0;
  const observer = new ResizeObserver(() => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      callback();
    });
  });
  observer.observe(element);
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
  };
}

/** A canvas that is never shown, for pictures that are drawn many times. */
export function bitmap(width: number, height: number): { canvas: HTMLCanvasElement; context: CanvasRenderingContext2D } {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return { canvas, context: canvas.getContext("2d") as CanvasRenderingContext2D };
}

/** Gives the reader a file. */
export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
