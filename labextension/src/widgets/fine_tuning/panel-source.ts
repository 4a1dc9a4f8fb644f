/** The numbers of a living panel: asked of the notebook kernel, which asks the model kernel or reads the job's directory. */

import type { Panel } from "../panel.ts";
import { type Ask, progressOf, sourceFrom } from "./answers.ts";
import type { Source } from "./source.ts";

export function panelSource(panel: Panel): Source {
  const ask: Ask = (method, params, onPart, signal) => panel.request(method, params, { signal, onPart });
  return {
    ...sourceFrom(ask),
    ...(panel.embeds && {
      async maps(question, element, { signal }) {
        const { result } = await ask("maps", { ...question }, () => undefined, signal);
        await panel.embed((result as { widget: string }).widget, element, signal);
      },
    }),
    async start(onProgress, { signal }) {
      await ask("start", {}, (part) => onProgress(progressOf(part)), signal);
    },
  };
}
