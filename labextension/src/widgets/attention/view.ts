/** What a view of the panel is given, and what it gives. */

import type { Store } from "../../lib/store.ts";
import type { Opened, Source } from "./source.ts";
import type { State } from "./state.ts";

export interface Context {
  store: Store<State>;
  source: Source;
  opened: Opened;
  /** Whether the page is dark now; views draw again when `onTheme` calls. */
  dark(): boolean;
  onTheme(callback: () => void): () => void;
  /** Tells a screen reader something. */
  announce(text: string): void;
  /** Shows an error where the user sees it; cancelled requests are none. */
  failed(error: unknown): void;
  /** The pointer is over this query and key of the chosen head, or over nothing: views may mark it; not part of the state. */
  hover: Store<{ query: number | null; key: number | null }>;
  /** Whose making is looked at, while the row of the token before it is the chosen one (`madeOf`); not part of the state. */
  made: Store<{ token: number | null }>;
}

export interface View {
  element: HTMLElement;
  /** The element has another size now, or has become visible. */
  resize?(): void;
  /** What is seen, as a picture to keep; without it the page's elements are drawn. */
  png?(): Promise<Blob>;
  svg?(): string;
  /** Removes every listener and cancels every request. */
  destroy(): void;
}

export type MakeView = (context: Context) => View;
