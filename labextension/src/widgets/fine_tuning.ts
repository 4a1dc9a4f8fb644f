/** The twin of `gpt_notebook/widgets/fine_tuning.py`: the fine-tuning panel in a notebook, or in a saved page. */

import type { Recorded } from "../lib/recorded.ts";
import { Store } from "../lib/store.ts";
import "./fine_tuning/fine-tuning.css";
import { panelSource } from "./fine_tuning/panel-source.ts";
import { savedSource } from "./fine_tuning/saved-source.ts";
import { Shell } from "./fine_tuning/shell.ts";
import type { Source } from "./fine_tuning/source.ts";
import { INITIAL, type State } from "./fine_tuning/state.ts";
import { rendering } from "./rendering.ts";

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

export default rendering(INITIAL, (panel, store) => new Shell(panelSource(panel), store));
