/**
 * Pointer and keys of a chart: hovering tells values, a drag selects a stretch, a double click shows all; the wheel zooms with
 * Ctrl or ⌘ only, for without it scrolls the page.
 */

import type { Endings } from "../../lib/asking.ts";

export interface Pointed {
  /** The pointer is at this part of the width, 0 to 1, or nowhere. */
  hover(at: number | null): void;
  /** What is being selected, or nothing any more. */
  selecting(from: number, to: number): void;
  /** A stretch was selected; null: it was only a click. */
  selected(stretch: readonly [number, number] | null): void;
  zoom(factor: number, at: number): void;
  all(): void;
  /** The crosshair by so many points. */
  step(by: number): void;
}

/** Pixels that a click may move. */
const SLACK = 4;
const KEY_ZOOM = 1.5;
const MANY = 10;

/** Listens on an element whose charted part lies so many pixels from its left and right edges. */
export function listenTo(element: HTMLElement, margins: () => { left: number; right: number }, on: Pointed, endings: Endings): void {
  let began: number | null = null;
  const place = (event: MouseEvent): number => {
    return Math.min(1, Math.max(0, (event.clientX - element.getBoundingClientRect().left - margins().left) / width()));
  };
  const width = (): number => Math.max(1, element.clientWidth - margins().left - margins().right);
  endings.listen(element, "pointerdown", (event) => {
    if (event.button !== 0) return;
    began = place(event);
    element.setPointerCapture(event.pointerId);
  });
  endings.listen(element, "pointermove", (event) => {
    const at = place(event);
    on.hover(at);
    if (began !== null && Math.abs(at - began) * width() > SLACK) on.selecting(Math.min(began, at), Math.max(began, at));
  });
  const end = (event: PointerEvent): void => {
    if (began === null) return;
    const [from, to] = [Math.min(began, place(event)), Math.max(began, place(event))];
    began = null;
    on.selected(event.type === "pointerup" && (to - from) * width() > SLACK ? [from, to] : null);
  };
  endings.listen(element, "pointerup", end);
  endings.listen(element, "pointercancel", end);
  endings.listen(element, "pointerleave", () => on.hover(null));
  endings.listen(element, "dblclick", () => on.all());
  endings.listen(
    element,
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
      on.zoom(2 ** (-Math.max(-60, Math.min(60, pixels)) / 60), place(event));
    },
    { passive: false },
  );
  endings.listen(element, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keyed(event, on)) return;
    event.preventDefault();
  });
}

function keyed({ key, shiftKey }: KeyboardEvent, on: Pointed): boolean {
  if (key === "ArrowLeft" || key === "ArrowRight") on.step((key === "ArrowLeft" ? -1 : 1) * (shiftKey ? MANY : 1));
  else if (key === "Home" || key === "End") on.step(key === "Home" ? -Infinity : Infinity);
  else if (key === "+" || key === "=") on.zoom(KEY_ZOOM, NaN);
  else if (key === "-" || key === "_") on.zoom(1 / KEY_ZOOM, NaN);
  else if (key === "0") on.all();
  else return false;
  return true;
}
