/**
 * The twin of `gpt_notebook/widgets/_panel.py`: questions to a panel's Python methods, and its small state.
 *
 * Messages are as in `_requests.py`. Knows what is asked and whether somebody answers; what it means is the callers'.
 */

import type { AnyModel, Host } from "@anywidget/types";
import type { Store } from "../lib/store.ts";

/** Milliseconds of silence after which a view that waits asks whether anybody is there. */
export const PATIENCE = 5_000;
/** How often nobody may answer that before the connection counts as lost. */
const UNANSWERED = 2;
const SLOWEST = 60_000;

/** What Python says about a request that failed; `code` is what programs compare, `param` the field that it is about. */
export class PanelError extends Error {
  override readonly name = "PanelError";

  constructor(
    readonly code: string,
    message: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

/** A result, or a part of one, and its binary buffers. */
export interface Answer<Result> {
  result: Result;
  buffers: DataView[];
}

export interface RequestOptions<Part> {
  /** Ends the request, also in Python; the promise is rejected with the signal's reason. */
  signal: AbortSignal;
  onPart?(part: Answer<Part>): void;
}

interface Open {
  method: string;
  params: object;
  onPart(part: Answer<unknown>): void;
  resolve(answer: Answer<unknown>): void;
  reject(error: unknown): void;
}

type Message =
  | { kind: "part" | "answer"; id: string; result: unknown }
  | { kind: "error"; id: string; error: { code: string; message: string; param?: string | null } }
  | { kind: "pong"; id: string; open: string[] };

/** The connection of one view to its panel; it ends with the signal that it was made with. */
export class Panel {
  readonly #model: AnyModel;
  readonly #host: Host | undefined;
  readonly #view = randomName();
  readonly #open = new Map<string, Open>();
  readonly #listeners = new Set<() => void>();
  readonly #signal: AbortSignal;
  readonly #waiting = new Set<() => void>();
  #count = 0;
  #answered = false;
  #lost = false;
  /** The requests that were open when it was last asked whether anybody is there, and how often nobody answered. */
  #asked: string[] = [];
  #unanswered = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(model: AnyModel, signal: AbortSignal, host?: Host) {
    this.#model = model;
    this.#host = host;
    this.#signal = signal;
    if (signal.aborted) return;
    const receive = (message: Message, buffers: DataView[]) => this.#receive(message, buffers);
    // The notebook kernel was restarted or has come back: widgets' models say so, and not which.
    const doubt = () => {
      this.#unanswered = Math.max(this.#unanswered, UNANSWERED - 1);
      this.#ask();
    };
    model.on("msg:custom", receive);
    model.on("comm_live_update", doubt);
    globalThis.addEventListener?.("pagehide", () => this.#cancelAll(), { signal });
    signal.addEventListener(
      "abort",
      () => {
        model.off("msg:custom", receive);
        model.off("comm_live_update", doubt);
        clearTimeout(this.#timer);
        this.#cancelAll();
        for (const each of [...this.#open.values()]) each.reject(signal.reason);
        this.#listeners.clear();
        this.#waiting.clear();
      },
      { once: true },
    );
  }

  /** Whether nobody answers: the notebook kernel is busy, was restarted or is gone. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Calls back when the connection was lost or is there again; returns what ends that. */
  onLost(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** Calls back once somebody has answered anything: in a page without a notebook kernel nobody ever does. */
  onAnswered(callback: () => void): void {
    if (this.#answered) callback();
    else this.#waiting.add(callback);
  }

  /**
   * Calls a method that is marked with `@request`. Where an answer got lost on the way, as while a computer slept, the
   * same is asked again.
   */
  request<Result, Part = unknown>(method: string, params: object, options: RequestOptions<Part>): Promise<Answer<Result>> {
    for (const { aborted, reason } of [this.#signal, options.signal]) if (aborted) return Promise.reject(reason);
    const id = `${this.#view}-${this.#count++}`;
    return new Promise<Answer<Result>>((resolve, reject) => {
      const ending = new AbortController();
      const end = () => {
        this.#open.delete(id);
        ending.abort();
        if (this.#open.size === 0 && !this.#lost) clearTimeout(this.#timer);
      };
      this.#open.set(id, {
        method,
        params,
        onPart: (part) => options.onPart?.(part as Answer<Part>),
        resolve: (answer) => (end(), resolve(answer as Answer<Result>)),
        reject: (error) => (end(), reject(error)),
      });
      const cancel = () => {
        this.#say({ kind: "cancel", id });
        this.#open.get(id)?.reject(options.signal.reason);
      };
      options.signal.addEventListener("abort", cancel, { signal: ending.signal });
      this.#send(id);
      if (this.#open.size === 1) this.#watch();
    });
  }

  /** Whether the view of another panel can be shown in this one's; before anywidget 0.10 it can't. */
  get embeds(): boolean {
    return this.#host !== undefined;
  }

  /** Shows the view of another panel, which Python names by its id, in an element until the signal ends it. */
  async embed(id: string, element: HTMLElement, signal: AbortSignal): Promise<void> {
    const widget = await this.#host!.getWidget(`anywidget:${id}`);
    signal.throwIfAborted();
    await widget.render({ el: element, signal });
  }

  #send(id: string): void {
    const { method, params } = this.#open.get(id)!;
    this.#say({ kind: "request", id, method, params });
  }

  #say(message: object): void {
    try {
      this.#model.send(message);
    } catch {
      // The browser's end of the comm is gone, as after a restart. What is asked waits for it to come back.
      this.#tell(true);
    }
  }

  #cancelAll(): void {
    for (const id of this.#open.keys()) this.#say({ kind: "cancel", id });
  }

  #receive(message: Message, buffers: DataView[]): void {
    this.#heard();
    if (message.kind === "pong") {
      if (message.id === this.#view) this.#repeat(message.open);
      return;
    }
    const open = this.#open.get(message.id);
    if (message.kind === "part") open?.onPart({ result: message.result, buffers });
    else if (message.kind === "answer") open?.resolve({ result: message.result, buffers });
    else if (message.kind === "error") open?.reject(errorOf(message.error));
  }

  /** Asks again what Python doesn't work on any more: its answer was said, and got lost. */
  #repeat(worked_on: string[]): void {
    for (const id of this.#asked.splice(0)) {
      if (this.#open.has(id) && !worked_on.includes(id)) this.#send(id);
    }
  }

  /** Somebody is there. */
  #heard(): void {
    this.#unanswered = 0;
    this.#answered = true;
    for (const callback of this.#waiting) callback();
    this.#waiting.clear();
    this.#tell(false);
    this.#watch();
  }

  /** Asks after a while whether anybody is there, if something is waited for. */
  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#signal.aborted || (this.#open.size === 0 && this.#unanswered === 0)) return;
    const wait = Math.min(PATIENCE * 2 ** Math.max(0, this.#unanswered - UNANSWERED), SLOWEST);
    this.#timer = setTimeout(() => this.#ask(), wait);
  }

  #ask(): void {
    if (this.#unanswered >= UNANSWERED) this.#tell(true);
    this.#unanswered++;
    this.#asked = [...this.#open.keys()];
    this.#say({ kind: "ping", id: this.#view });
    this.#watch();
  }

  #tell(lost: boolean): void {
    if (this.#lost === lost) return;
    this.#lost = lost;
    for (const callback of [...this.#listeners]) callback();
  }
}

function errorOf({ code, message, param }: { code: string; message: string; param?: string | null }): PanelError {
  return new PanelError(code, message, param ?? null);
}

/** `crypto.randomUUID` is not there on pages that came over plain HTTP from another machine. */
function randomName(): string {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((number) => number.toString(36)).join("");
}

/** Connects a view to its panel until the signal ends it. */
export function connect(model: AnyModel, signal: AbortSignal, host?: Host): Panel {
  return new Panel(model, signal, host);
}

/** Keeps a store and the widget's trait `state` the same until the signal ends it; keys that the store lacks stay out. */
export function shareState<State extends object>(model: AnyModel, store: Store<State>, signal: AbortSignal): void {
  const keys = Object.keys(store.get()) as (keyof State & string)[];
  const take = () => {
    const state = model.get("state") as Partial<State>;
    store.set(Object.fromEntries(keys.filter((key) => key in state).map((key) => [key, state[key]])) as Partial<State>);
  };
  take();
  const off = store.on(keys, () => {
    model.set("state", { ...store.get() });
    model.save_changes();
  });
  model.on("change:state", take);
  signal.addEventListener("abort", () => (off(), model.off("change:state", take)), { once: true });
}
