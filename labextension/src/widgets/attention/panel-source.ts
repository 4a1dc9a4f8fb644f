/** The numbers of a living panel: asked of the notebook kernel, which asks the model kernel. */

import type { Panel } from "../panel.ts";
import { type Ask, progressOf, sourceFrom } from "./answers.ts";
import type { Source } from "./source.ts";

export function panelSource(panel: Panel): Source {
  const again = new Set<() => void>();
  const ask: Ask = async (method, params, onPart, signal) => {
    const answer = await panel.request<Record<string, unknown>, Record<string, unknown>>(method, params, { signal, onPart });
    if (answer.result.again === true) for (const callback of again) callback();
    return answer;
  };
  return {
    ...sourceFrom(ask),
    async start(onProgress, { signal }) {
      await ask("start", {}, (part) => onProgress(progressOf(part)), signal);
    },
    onAgain(callback) {
      again.add(callback);
      return () => again.delete(callback);
    },
  };
}
