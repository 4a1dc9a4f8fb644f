/** The twin of `gpt_notebook/widgets/attention.py`: the attention panel in a notebook, or in a saved page. */

import type { Recorded } from "../lib/recorded.ts";
import { Store } from "../lib/store.ts";
import "./attention/attention.css";
import { panelSource } from "./attention/panel-source.ts";
import { savedSource } from "./attention/saved-source.ts";
import { Shell } from "./attention/shell.ts";
import type { Source } from "./attention/source.ts";
import { INITIAL, type State } from "./attention/state.ts";
import { rendering } from "./rendering.ts";

/** Shows a panel in an element; what is missing in the state is as in a new one. Returns what takes it away again. */
export function mount(element: HTMLElement, source: Source, state: Partial<State> = {}): () => void {
  const shell = new Shell(source, new Store<State>({ ...INITIAL, ...state }), state.layer === undefined);
  element.append(shell.element);
  return () => shell.destroy();
}

/** Shows what a page was saved with. */
export function showSaved(element: HTMLElement, { state, answers }: { state: Partial<State>; answers: Recorded[] }): () => void {
  return mount(element, savedSource(answers), state);
}

export default rendering(INITIAL, (panel, store) => new Shell(panelSource(panel), store, false));
