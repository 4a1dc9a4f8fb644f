/** Tokens for tests. */

import type { Token } from "../src/protocol.ts";

const NOTHING_MORE = {
  logprob: null, top_logprobs: [], bytes: [], special: false, sampling_probability: null, rank: null, entropy: null,
};

export function token(text: string, more: Partial<Token> = {}): Token {
  return { id: 7, text, ...NOTHING_MORE, ...more };
}

export function tokens(...texts: string[]): Token[] {
  return texts.map((text, id) => token(text, { id }));
}
