/** Elements of the page, made in one expression. */

type Value = string | number | boolean | null | undefined;
type Handlers = {
  [Name in keyof HTMLElementEventMap as `on${Name}`]?: (event: HTMLElementEventMap[Name]) => void;
};

/** Attributes by their HTML names (false, null and undefined leave one out), and listeners as `onclick`. */
export type Attributes = Handlers & {
  /** Ends the listeners; without one they live as long as the element. */
  signal?: AbortSignal;
  [name: string]: Value | AbortSignal | ((event: never) => void);
};

/** An element with attributes, listeners and children; children that are null or false are left out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: (Node | string | null | false)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  const { signal, ...others } = attributes;
  for (const [name, value] of Object.entries(others)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value as EventListener, signal === undefined ? {} : { signal });
    } else {
      assign(element, name, value as Value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/** Sets an attribute, or removes it. */
export function assign(element: Element, name: string, value: Value): void {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}
