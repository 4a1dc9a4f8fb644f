/** Tokens for tests. */

import type { Token } from "../src/protocol.ts";

export function tokens(...texts: string[]): Token[] {
  return texts.map((text, id) => ({ id, text, logprob: null, top_logprobs: [], bytes: [], special: false }));
}
