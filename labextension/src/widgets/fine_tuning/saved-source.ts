/**
 * The numbers of a saved page: what was answered before it was saved, and nothing to do with it but to look.
 *
 * A job's history is told once, as its curve was when the page was saved.
 */

import { decoded, keyOf, NOT_SAVED, NotSaved, type Recorded } from "../../lib/recorded.ts";
import { type Ask, sourceFrom } from "./answers.ts";
import type { Source } from "./source.ts";

export function savedSource(records: readonly Recorded[]): Source {
  const found = new Map(records.map((record) => [keyOf(record.method, record.params), record]));
  const ask: Ask = async (method, params, onPart, signal) => {
    signal.throwIfAborted();
    const record = found.get(keyOf(method, params));
    if (record === undefined) throw new NotSaved(NOT_SAVED);
    for (const part of record.parts) onPart({ result: part.result, buffers: part.buffers.map(decoded) });
    return { result: record.answer, buffers: record.buffers.map(decoded) };
  };
  const source = sourceFrom(ask);
  return {
    ...source,
    async follow({ job }, onNews, options) {
      onNews(await source.curve({ job }, options));
      options.signal.throwIfAborted();
      // Nothing more will ever come: whoever looks has no reason to ask again.
      await new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason), { once: true }));
    },
  };
}
