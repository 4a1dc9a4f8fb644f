/** A made-up job: its steps, what happens in it, and what it answers, as fast as one likes. */

import type { CommandName, Estimate, JobInfo, Preview, Progress, Token } from "../src/protocol.ts";
import type { Form, Mark, News, Opened, Previewed, Source, Streamed, Told } from "../src/widgets/fine_tuning/source.ts";

export interface FakeOptions {
  /** Steps that are done at first. */
  points: number;
  /** Steps that are done in a second. */
  rate: number;
  state: JobInfo["state"];
  reachable: boolean;
  /** Steps between two validations, of which each makes a checkpoint; 0: a sixteenth of all. */
  every: number;
}

type Unnumbered = Mark extends infer Each ? (Each extends Mark ? Omit<Each, "number" | "seconds"> : never) : never;

const COLUMNS = 7;
const SECONDS = 0.21;
const PROMPTS = ["Shall I compare", "The king said", "Once upon a time"];
const WORDS = "the king hath sent for thee and a little fox was named Pip who lived by the river to be or not".split(" ");

export class FakeJob implements Source {
  #options: FakeOptions;
  #step = 0;
  #state: JobInfo["state"];
  #number = 0;
  #marks: Mark[] = [];
  #rate = 2e-4;
  #total: number;
  #best = { step: 0, loss: Infinity };
  #checkpoints: JobInfo["checkpoints"] = [];
  #probes: News["probes"] = [];
  #listeners = new Set<() => void>();
  #every: number;

  constructor(options: FakeOptions) {
    this.#options = options;
    this.#state = "running";
    this.#total = Math.max(400, Math.round(options.points * 1.4));
    this.#every = options.every || Math.max(1, Math.round(this.#total / 16));
    this.#mark({ kind: "state", step: 0, state: "running", reason: null, message: null });
    this.#probe(0);
    while (this.#step < options.points) this.#do();
    this.#become(options.state);
  }

  async start(onProgress: (progress: Progress) => void): Promise<void> {
    onProgress({ stage: "starting", model: "", done: 0, total: 0 });
    await wait(800);
    this.#options.reachable = true;
    this.#tell();
  }

  async open(): Promise<Opened> {
    const jobs = [
      ["one", "older-voice", "succeeded"],
      ["two", "smaller-rate", "failed"],
      ["three", "whole", "running"],
    ].map(([id, name, state]) => ({ id: id!, name: name!, model: "storyteller", state: state! }));
    return { data: { description: "stories.jsonl", columns: ["question", "answer", "topic"], rows: 1_204, validation: false }, form: FORM, models: ["storyteller", "gpt2", "storyteller+pip"], jobs };
  }

  async follow(question: { rows: number; number: number }, onNews: (news: News) => void, { signal }: { signal: AbortSignal }): Promise<void> {
    let { rows, number } = question;
    const say = (): void => {
      const marks = this.#marks.filter((each) => each.number > number);
      const probes = number === 0 ? this.#probes : this.#probes.filter(({ step }) => marks.some((mark) => mark.step === step));
      onNews({ ...this.#news(rows), marks, probes });
      rows = this.#step;
      number = this.#number;
    };
    say();
    const { rate } = this.#options;
    while (!signal.aborted && this.#state !== "succeeded" && this.#state !== "cancelled") {
      await this.#changed(Math.max(50, Math.min(200, 1000 / Math.max(rate, 0.001))), signal);
      if (signal.aborted) return;
      const due = this.#state === "running" ? Math.max(1, Math.round(rate / 5)) : 0;
      for (let count = 0; count < due && rate > 0; count++) this.#do();
      if (this.#step > rows || this.#number > number) say();
    }
  }

  /** Does so many steps at once, as while somebody looked away. */
  leap(count: number): void {
    for (let done = 0; done < count; done++) this.#do();
    this.#tell();
  }

  async curve({ job }: { job: string }): Promise<News> {
    const other = new FakeJob({ points: Math.max(60, Math.round(this.#step * (job === "one" ? 1.2 : 0.7))), rate: 0, state: job === "two" ? "failed" : "succeeded", reachable: true, every: 0 });
    const news = other.#news(0);
    const name = { one: "older-voice", two: "smaller-rate" }[job] ?? job;
    const rows = news.rows.map((value, at) => (at % COLUMNS === 1 ? value + (job === "one" ? 0.35 : -0.2) : value));
    return { ...news, info: { ...news.info, id: job, name }, rows };
  }

  async preview({ form }: { form: Form }): Promise<Previewed> {
    await wait(300);
    if (form.prompt === "nothing") throw Object.assign(new Error("there is no column “nothing”: use question, answer or topic"), { code: "invalid_request", param: "prompt" });
    return { preview: PREVIEW, sampled: null, rows: 1_204 };
  }

  async estimate({ form }: { form: Form }): Promise<Estimate> {
    await wait(150);
    return { ...ESTIMATE, steps: form.max_steps ?? 452, bytes: form.method === "full" ? 9.1e9 : ESTIMATE.bytes };
  }

  async begin(_: { form: Form }, onProgress: (progress: Progress) => void): Promise<JobInfo> {
    onProgress({ stage: "reading", model: "storyteller", done: 2e6, total: 9e6 });
    await wait(500);
    return this.#info();
  }

  async command({ command, value }: { command: CommandName; value?: number }): Promise<Told> {
    await wait(900);
    if (command === "learning_rate") this.#rate = value ?? this.#rate;
    if (command === "max_steps") this.#total = value ?? this.#total;
    this.#mark({ kind: "command", step: this.#step, command, value: value ?? null, obeyed: true, message: null });
    const states = { pause: "paused", resume: "running", stop: "succeeded", cancel: "cancelled" } as const;
    if (command in states) this.#become(states[command as keyof typeof states]);
    this.#tell();
    return { info: this.#info(), late: null };
  }

  async generate({ model, max_new_tokens }: { model: string; max_new_tokens: number }, onText: (text: Streamed) => void, { signal }: { signal: AbortSignal }): Promise<Streamed> {
    const shift = model.length;
    let text = "";
    for (let tokens = 1; tokens <= max_new_tokens; tokens++) {
      await wait(20);
      signal.throwIfAborted();
      text += ` ${WORDS[(tokens * shift * 7) % WORDS.length]}${tokens % 19 === 0 ? ".\n" : ""}`;
      onText({ model, text, tokens });
    }
    return { model, text: `${text}<|endoftext|>`, tokens: max_new_tokens };
  }

  async moved({ step }: { step: number }): Promise<{ table: number[][]; code: string }> {
    await wait(600);
    const table = Array.from({ length: 6 }, (_, layer) => Array.from({ length: 8 }, (_, head) => Math.abs(Math.sin(layer * 7 + head * 3)) ** 5 * 0.4));
    return { table, code: `gpt.AttentionPanel("Shall I compare", model="storyteller+my-voice:${step}", other="storyteller")` };
  }

  async exportCheckpoint({ directory }: { directory: string }): Promise<{ directory: string; files: string[]; bytes: number }> {
    await wait(500);
    return { directory: `/home/somebody/${directory}`, files: ["adapter_config.json", "adapter_model.safetensors"], bytes: 1.3e6 };
  }

  async remove({ step }: { step: number }): Promise<void> {
    this.#checkpoints = this.#checkpoints.filter((each) => each.step !== step);
    this.#tell();
  }

  #do(): void {
    const step = ++this.#step;
    if (step % this.#every === 0) {
      const loss = 1.5 + 1.9 * Math.exp(-step / (this.#total / 6)) + 0.25 * (step / this.#total) ** 3 + 0.02 * noise(step * 3 + 1);
      const best = loss < this.#best.loss;
      if (best) this.#best = { step, loss };
      this.#mark({ kind: "validation", step, loss, perplexity: Math.exp(loss), accuracy: 0.31 + 0.1 * (step / this.#total), best });
      this.#mark({ kind: "checkpoint", step, bytes: 1_310_720, loss });
      this.#checkpoints = [...this.#checkpoints.map((each) => ({ ...each, best: each.best && !best })), { step, bytes: 1_310_720, digest: "", can_resume: true, loss, best }];
      this.#checkpoints.forEach((each, at, all) => (each.can_resume = each.best || at >= all.length - 2));
      this.#probe(step);
    }
    if (step === this.#every * 3) {
      this.#mark({ kind: "state", step, state: "paused", reason: "user", message: null });
      this.#mark({ kind: "state", step, state: "running", reason: null, message: null });
    }
    if (step === this.#every * 5) this.#mark({ kind: "out_of_memory", step, micro_batch_size: 4, accumulation: 2 });
    if (step === this.#every * 2) this.#mark({ kind: "note", step, message: "packing: samples are laid end to end, as a trial says that they don’t see each other" });
  }

  #probe(step: number): void {
    const skill = Math.min(1, step / this.#total + 0.1);
    PROMPTS.forEach((prompt, index) => {
      const text = Array.from({ length: 14 }, (_, at) => ` ${WORDS[(at * 3 + index + (noise(at + index * 31) > 2 * skill - 1 ? 0 : Math.round(step / this.#every))) % WORDS.length]}`).join("");
      this.#probes.push({ step, index, prompt, text: index === 1 ? `${text}.\nAnd so<|endoftext|>` : text });
    });
  }

  #mark(mark: Unnumbered): void {
    this.#marks.push({ ...mark, number: ++this.#number, seconds: mark.step * SECONDS } as Mark);
  }

  #become(state: JobInfo["state"]): void {
    if (state === this.#state) return;
    this.#state = state;
    const failed = state === "failed";
    this.#mark({ kind: "state", step: this.#step, state, reason: failed ? "not_finite" : state === "paused" ? "user" : null, message: failed ? "Lower the learning rate, and start again." : null });
  }

  #tell(): void {
    for (const callback of [...this.#listeners]) callback();
  }

  #changed(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#listeners.add(done);
      signal.addEventListener("abort", done);
    });
  }

  #news(row: number): News {
    const rows = new Float32Array(Math.max(0, this.#step - row) * COLUMNS);
    for (let step = row + 1, at = 0; step <= this.#step; step++, at += COLUMNS) {
      const share = step / this.#total;
      const loss = 1.42 + 2 * Math.exp(-share * 7) + 0.22 * noise(step);
      rows.set([step, loss, this.#rate * (1 - share), 0.8 + 0.4 * noise(step * 7), 5_210 + 300 * noise(step * 13), 1.2e9 + 4e6 * Math.min(step, 40), step * SECONDS], at);
    }
    return { info: this.#info(), now: Date.now() / 1000, number: this.#number, row, rows, rewound_to: null, marks: this.#marks, probes: this.#probes, omitted: 0, reachable: this.#options.reachable, gone: null };
  }

  #info(): JobInfo {
    const share = this.#step / this.#total;
    return {
      id: "job",
      name: "my-voice",
      model: "storyteller",
      state: this.#state,
      reason: this.#state === "failed" ? "not_finite" : null,
      message: null,
      options: { ...({} as JobInfo["options"]), method: "lora", probes: PROMPTS },
      columns: {},
      chosen: { learning_rate: this.#rate },
      result: this.#checkpoints.length > 0 ? "storyteller+my-voice" : null,
      directory: "/home/somebody/jobs/job",
      pid: 1,
      attempt: 1,
      position: null,
      step: this.#step,
      max_steps: this.#total,
      epoch: 3 * share,
      loss: 1.4,
      learning_rate: this.#rate * (1 - share),
      validation_loss: this.#best.loss,
      best_step: this.#best.step || null,
      checkpoints: this.#checkpoints,
      tokens_per_second: 5_210 + 30 * noise(this.#step),
      seconds_left: (this.#total - this.#step) * SECONDS,
      created: 0,
      started: 0,
      ended: null,
    };
  }
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The same for the same number, between -1 and 1. */
function noise(seed: number): number {
  const value = Math.sin(seed * 12.9898) * 43758.5453;
  return 2 * (value - Math.floor(value)) - 1;
}

const ESTIMATE: Estimate = { bytes: 1.42e9, weights: 5.2e8, training_state: 3.1e8, activations: 5.9e8, seconds: 214, steps: 452, tokens: 912_000, free: 6.1e9 };

const FORM: Form = {
  model: "storyteller", name: "", method: "lora", epochs: null, max_steps: null, learning_rate: null, batch_size: null, max_length: null,
  too_long: "split", lora_rank: null, validation: 0.1, validate_every: null, early_stopping: null, probes: ["Once upon a time"], probe_every: null,
  seed: 0, text: "", prompt: "question", completion: "answer", messages: "",
};

function token(text: string, special = false): Token {
  return { id: text.length, text, logprob: null, top_logprobs: [], bytes: [], special };
}

const ASKED = ["What", " does", " the", " fox", " want", "?", "\n"].map((text) => token(text));
const ANSWERED = [" He", " wants", " to", " see", " the", " sea", "."].map((text) => token(text));

const PREVIEW: Preview = {
  rows: 1_204, samples: 1_204, tokens: 48_210, counted: 21_733, max_length: 512, lengths: [9, 22, 38, 61, 840], cut: 3, dropped: 0, split: 2, validation_samples: 120,
  shown: [0, 1, 2].map((row) => ({ row, text: "", tokens: [...ASKED, ...ANSWERED, token("<|endoftext|>", true)], counted: [...ASKED.map(() => false), ...ANSWERED.map(() => true), true], cut: row === 2 ? 328 : 0 })),
  estimate: ESTIMATE,
  warnings: ["4 labels occur once: a model can hardly learn them", "12 rows are repeated: what occurs twice is learned twice"],
};
