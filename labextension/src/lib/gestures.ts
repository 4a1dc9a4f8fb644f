/**
 * Zooming and panning as maps do it, without taking the wheel from the page: only with Ctrl or ⌘ it zooms (which is also
 * what a pinch on a touchpad sends), a drag or a finger pans, two fingers zoom, a double click zooms in.
 */

export interface Point {
  left: number;
  top: number;
}

export interface Gestures {
  pan(moved: Point): void;
  zoom(factor: number, at: Point): void;
  /** The pointer is here, with no button pressed, or nowhere. */
  hover(at: Point | null): void;
  click(at: Point, event: PointerEvent): void;
  /** Dragging began or ended. */
  dragging?(now: boolean): void;
  /** Whether one finger pans; otherwise it scrolls the page. */
  pans(): boolean;
}

const SLACK = 4;

/** Listens on an element; returns what ends that. */
export function gestures(element: HTMLElement, on: Gestures): () => void {
  const pointers = new Map<number, Point>();
  let began: Point | null = null;
  let dragged = false;

  const place = (event: MouseEvent): Point => {
    const box = element.getBoundingClientRect();
    return { left: event.clientX - box.left, top: event.clientY - box.top };
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 1) [began, dragged] = [place(event), false];
    element.setPointerCapture(event.pointerId);
  };

  const move = (event: PointerEvent) => {
    const now = place(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      on.hover(now);
      return;
    }
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    pointers.set(event.pointerId, now);
    const other = others[0];
    if (other) {
      dragged = true;
      const middle = { left: (now.left + other.left) / 2, top: (now.top + other.top) / 2 };
      on.zoom(distance(now, other) / Math.max(1, distance(before, other)), middle);
      on.pan({ left: (now.left - before.left) / 2, top: (now.top - before.top) / 2 });
      return;
    }
    if (!dragged && began && distance(now, began) > SLACK) {
      dragged = true;
      on.dragging?.(true);
    }
    if (dragged) on.pan({ left: now.left - before.left, top: now.top - before.top });
  };

  const up = (event: PointerEvent) => {
    if (!pointers.delete(event.pointerId) || pointers.size > 0) return;
    if (dragged) on.dragging?.(false);
    else if (event.type === "pointerup") on.click(place(event), event);
    began = null;
  };

  const leave = () => {
    if (pointers.size === 0) on.hover(null);
  };

  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    on.zoom(2 ** (-Math.max(-60, Math.min(60, pixels)) / 60), place(event));
  };

  const double = (event: MouseEvent) => on.zoom(event.shiftKey ? 0.5 : 2, place(event));

  const touch = () => {
    element.style.touchAction = on.pans() ? "none" : "pan-x pan-y";
  };

  element.addEventListener("pointerenter", touch);
  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", leave);
  element.addEventListener("dblclick", double);
  element.addEventListener("wheel", wheel, { passive: false });
  touch();
  return () => {
    element.removeEventListener("pointerenter", touch);
    element.removeEventListener("pointerdown", down);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", up);
    element.removeEventListener("pointercancel", up);
    element.removeEventListener("pointerleave", leave);
    element.removeEventListener("dblclick", double);
    element.removeEventListener("wheel", wheel);
  };
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.left - other.left, one.top - other.top);
}
