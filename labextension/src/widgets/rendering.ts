/** How a panel gets into a notebook's output, which is the same for each: its connection, its state, the sign that it is lost. */

import type { AnyModel, RenderProps } from "@anywidget/types";
import { Store } from "../lib/store.ts";
import { lostSign } from "./lost-sign.ts";
import { connect, type Panel, shareState } from "./panel.ts";

/** What shows a panel. */
export interface Shown {
  readonly element: HTMLElement;
  /** Says whether somebody answers. */
  lose(lost: boolean): void;
  destroy(): void;
}

/** Returns a widget's module, whose views are made by `show`. Each has its own connection; what they share is the widget's state. */
export function rendering<State extends object>(initial: State, show: (panel: Panel, store: Store<State>) => Shown) {
  function render({ model, el, signal, host }: RenderProps): () => void {
    const ending = new AbortController();
    signal?.addEventListener("abort", () => ending.abort(), { once: true });
    const panel = connect(model as AnyModel, ending.signal, host);
    const store = new Store<State>(initial);
    shareState(model as AnyModel, store, ending.signal);
    const shown = show(panel, store);
    ending.signal.addEventListener("abort", () => shown.destroy(), { once: true });
    const sign = lostSign(panel, ending.signal);
    const off = panel.onLost(() => shown.lose(panel.lost));
    ending.signal.addEventListener("abort", off, { once: true });
    // Until then there is nothing to see: a page of a saved notebook has a view, and only its twin to show.
    panel.onAnswered(() => el.append(sign, shown.element));
    return () => ending.abort();
  }
  return { initialize() {}, render };
}
