/** The questions that a saved page has answers to. */

/** One recorded question, its buffers in base64. */
export interface Recorded {
  method: string;
  params: Record<string, unknown>;
  answer: Record<string, unknown>;
  buffers: string[];
  parts: { result: Record<string, unknown>; buffers: string[] }[];
}

export const NOT_SAVED = "nobody looked at this before the page was saved: open it in the notebook";

export class NotSaved extends Error {
  readonly code = "not_saved";
}

/** What a question is found by: the method and its parameters as JSON, keys in alphabetical order. */
export function keyOf(method: string, params: Record<string, unknown>): string {
  return `${method} ${canonical(params)}`;
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value ?? null);
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(",")}}`;
}

/** The bytes that base64 stands for. */
export function decoded(base64: string): DataView {
  const binary = atob(base64);
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return new DataView(bytes.buffer);
}
