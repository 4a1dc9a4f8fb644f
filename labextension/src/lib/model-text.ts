/** A model's text that is no list of tokens: special tokens as chips, line ends and tabs visible but faint. */

import { make } from "./elements.ts";
import { visible } from "./text.ts";

/** How most tokenizers spell their special tokens. */
const SPECIAL = /(<\|[^<>|]{1,60}\|>|<\/?(?:s|pad|eos|bos|unk|mask)>|\[(?:SEP|CLS|PAD|MASK|UNK)\]|\n|\t)/u;

/** Nodes for a text; with `breaks` a line end also ends the line. */
export function modelText(text: string, breaks = false): (Node | string)[] {
  return text.split(SPECIAL).filter(Boolean).flatMap((part): (Node | string)[] => {
    if (part === "\n") return [make("span", { class: "gpt-faint" }, "⏎"), breaks ? "\n" : " "];
    if (part === "\t") return [make("span", { class: "gpt-faint" }, "⇥"), "\t"];
    return [SPECIAL.test(part) ? make("span", { class: "gpt-chip" }, visible(part)) : visible(part)];
  });
}
