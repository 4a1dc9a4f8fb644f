/** Turns the panel's answers, as they come over the wire or out of a saved page, into the views' numbers. */

import { floats } from "../../lib/buffers.ts";
import type { Estimate, Exported, JobInfo, Progress } from "../../protocol.ts";
import type { Moved, News, Opened, Options, Previewed, Source, Streamed, Told } from "./source.ts";

export interface Answer {
  result: unknown;
  buffers: readonly DataView[];
}

/** Asks one question; parts come before the answer. */
export type Ask = (method: string, params: Record<string, unknown>, onPart: (part: Answer) => void, signal: AbortSignal) => Promise<Answer>;

const nothing = (): void => undefined;

/** Everything but `start`, which only a living panel has. */
export function sourceFrom(ask: Ask): Source {
  const once = async <Result>(method: string, params: object, { signal }: Options): Promise<Result> =>
    (await ask(method, { ...params }, nothing, signal)).result as Result;
  const told = async <Result, Part>(method: string, params: object, onPart: (part: Part) => void, { signal }: Options): Promise<Result> =>
    (await ask(method, { ...params }, ({ result }) => onPart(result as Part), signal)).result as Result;
  return {
    open: (options) => once<Opened>("open", {}, options),
    async follow(question, onNews, { signal }) {
      await ask("follow", { ...question }, (part) => onNews(news(part)), signal);
    },
    async curve(question, { signal }) {
      return news(await ask("curve", { ...question }, nothing, signal));
    },
    preview: (question, options) => once<Previewed>("preview", question, options),
    estimate: (question, options) => once<Estimate>("estimate", question, options),
    begin: (question, onProgress, options) => told<JobInfo, Progress>("begin", question, onProgress, options),
    command: (question, options) => once<Told>("command", question, options),
    generate: (question, onText, options) => told<Streamed, Streamed>("generate", question, onText, options),
    moved: (question, onProgress, options) => told<Moved, Progress>("moved", question, onProgress, options),
    exportCheckpoint: (question, onProgress, options) => told<Exported, Progress>("export_checkpoint", question, onProgress, options),
    remove: (question, options) => once<void>("remove", question, options),
  };
}

export function progressOf({ result }: Answer): Progress {
  return result as Progress;
}

/** News and its rows, which come as the one buffer; without a buffer there are none. */
export function news({ result, buffers }: Answer): News {
  const buffer = buffers[0];
  return { ...(result as News), rows: buffer === undefined ? new Float32Array() : floats(buffer) };
}
