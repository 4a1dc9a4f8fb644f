/** What a view of the panel is given, and what it gives. */

import type { Notices } from "../../lib/notices.ts";
import type { Store } from "../../lib/store.ts";
import type { History } from "./history.ts";
import type { Opened, Source } from "./source.ts";
import type { State } from "./state.ts";

export interface Context {
  store: Store<State>;
  source: Source;
  opened: Opened;
  history: History;
  notices: Notices;
  /** Whether anything can be done: a saved page can only be looked at. */
  living: boolean;
  /** Whether the page is dark now; views draw again when `onTheme` calls. */
  dark(): boolean;
  onTheme(callback: () => void): () => void;
  /** Tells a screen reader something. */
  announce(text: string): void;
  /** Shows an error where the user sees it; cancelled requests are none. */
  failed(error: unknown): void;
  /** Asks for what is new, now: something was done to the job. */
  refresh(): void;
  copy(code: string): void;
}

export interface View {
  element: HTMLElement;
  /** Shows what is new in the history; called once a frame at most, and not while the page is hidden. */
  update(): void;
  /** The element has another size now, or has become visible. */
  resize?(): void;
  /** Removes every listener and cancels every request. */
  destroy(): void;
}
