/** Code for the clipboard. */

import type { Notices } from "./notices.ts";

/** Copies a text and says so in the panel with `shortly`; where there is no clipboard the text is shown, to be selected. */
export function copy(text: string, notices: Notices, shortly: string): void {
  const shown = (): void => notices.say("code", text);
  // Pages that came over plain HTTP from another machine have no clipboard.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard === undefined) shown();
  else clipboard.writeText(text).then(() => notices.say("sign", `copied: ${shortly}`), shown);
}
