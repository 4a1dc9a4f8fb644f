/** The twin of `gpt_notebook/widgets/fine_tuning.py`: the fine-tuning panel in a notebook, or in a saved page. */

import type { AnyModel, RenderProps } from "@anywidget/types";
import type { Recorded } from "../lib/recorded.ts";
import { Store } from "../lib/store.ts";
import "./fine_tuning/fine-tuning.css";
import { panelSource } from "./fine_tuning/panel-source.ts";
import { savedSource } from "./fine_tuning/saved-source.ts";
import { Shell } from "./fine_tuning/shell.ts";
import type { Source } from "./fine_tuning/source.ts";
import { INITIAL, type State } from "./fine_tuning/state.ts";
import { lostSign } from "./lost-sign.ts";
import { connect, shareState } from "./panel.ts";

/** Shows a panel in an element; what is missing in the state is as in a new one. Returns what takes it away again. */
export function mount(element: HTMLElement, source: Source, state: Partial<State> = {}): () => void {
  const shell = new Shell(source, new Store<State>({ ...INITIAL, ...state }));
  element.append(shell.element);
  return () => shell.destroy();
}

/** Shows what a page was saved with. */
export function showSaved(element: HTMLElement, { state, answers }: { state: Partial<State>; answers: Recorded[] }): () => void {
  return mount(element, savedSource(answers), state);
}

function initialize(): void {
  // Each view has its own connection; what they share is the widget's state.
}

function render({ model, el, signal }: RenderProps): () => void {
  const ending = new AbortController();
  signal?.addEventListener("abort", () => ending.abort(), { once: true });
  const panel = connect(model as AnyModel, ending.signal);
  const store = new Store<State>(INITIAL);
  shareState(model as AnyModel, store, ending.signal);
  const shell = new Shell(panelSource(panel), store);
  ending.signal.addEventListener("abort", () => shell.destroy(), { once: true });
  const sign = lostSign(panel, ending.signal);
  const off = panel.onLost(() => shell.lose(panel.lost));
  ending.signal.addEventListener("abort", off, { once: true });
  // Until then there is nothing to see: a page of a saved notebook has a view, and only its twin to show.
  panel.onAnswered(() => el.append(sign, shell.element));
  return () => ending.abort();
}

export default { initialize, render };
