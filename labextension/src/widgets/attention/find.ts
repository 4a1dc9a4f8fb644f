/** Search in the tokens' text, of which an occurrence may begin and end within tokens. */

import type { Token } from "../../protocol.ts";

/** For each occurrence the positions of the tokens it touches; upper and lower case are alike. */
export function occurrences(tokens: readonly Token[], wanted: string): number[][] {
  const sought = wanted.toLowerCase();
  if (sought === "") return [];
  const ends: number[] = [];
  let text = "";
  for (const token of tokens) {
    text += token.text.toLowerCase();
    ends.push(text.length);
  }
  const found: number[][] = [];
  let token = 0;
  for (let at = text.indexOf(sought); at >= 0; at = text.indexOf(sought, at + sought.length)) {
    while (ends[token]! <= at) token += 1;
    const touched = [token];
    while (ends[touched.at(-1)!]! < at + sought.length) touched.push(touched.at(-1)! + 1);
    found.push(touched);
  }
  return found;
}
