/** A panel's keys: one list, which the keyboard follows and the help shows. */

export interface Key<Actions> {
  /** As `KeyboardEvent.key` has them. */
  keys: readonly string[];
  /** As the help shows them. */
  shown: string;
  does: string;
  run(actions: Actions, key: string): void;
}

/** A line of the help: a key, and what it does. */
export interface Explained {
  shown: string;
  does: string;
}

/** Whether a key is for what has the focus: letters for a text that is written, arrows for a slider. */
function taken({ target, key }: KeyboardEvent): boolean {
  if (target instanceof HTMLInputElement && target.type === "range") return /^(Arrow|Page|Home|End)/.test(key);
  return [HTMLInputElement, HTMLSelectElement, HTMLTextAreaElement].some((kind) => target instanceof kind);
}

/** Does what a key is for; false where it is for nothing, or somebody is writing. */
export function press<Actions>(event: KeyboardEvent, keys: readonly Key<Actions>[], actions: Actions): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false;
  if (event.key !== "Escape" && taken(event)) return false;
  const found = keys.find((each) => each.keys.includes(event.key));
  found?.run(actions, event.key);
  return found !== undefined;
}
