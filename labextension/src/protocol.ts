/**
 * What the notebook side and the model kernel say to each other, as JSON: requests, results and events.
 *
 * Written by  python labextension/generate_protocol.py  from protocol.py, attention_protocol.py and job_protocol.py; don't edit it.
 */

/** An event as it is sent: with its type and its number in the stream. */
export type Sent<Type extends string, Content> = Content & { type: Type; seq: number };

/** Raised when an older client could misunderstand a newer model kernel, or the other way round. */
export const PROTOCOL_VERSION = 1;

export const DEFAULT_MODEL = "storyteller";

export const MAX_SAMPLES = 8;

export const MAX_STOP_STRINGS = 4;

/** The largest seed: those of all samples are whole numbers that JSON's readers agree on. */
export const MAX_SEED = 9007199254740984;

export const MAX_TOP_LOGPROBS = 20;

export type FinishReason = "stop" | "length" | "cancelled";

export type Dtype = "float32" | "bfloat16" | "float16";

export type RequestState = "queued" | "loading" | "running";

/** How to go on from a prompt. The defaults are what `%%gpt` uses. */
export interface SamplingOptions {
  /** The most tokens to generate; less where the context ends. */
  max_new_tokens: number;
  /** Divides the logits; 0 takes the most probable token each time. */
  temperature: number;
  /** Keeps the fewest most probable tokens whose probabilities add up to this; 1 keeps all. */
  top_p: number;
  /** Keeps this many of the most probable tokens; 0 keeps all. */
  top_k: number;
  /** Ends before the first of these strings, which may lie across token borders. */
  stop: string[];
  /** Makes sampling repeatable; null draws one, which the completion tells. Sample i of n uses seed + i. */
  seed: number | null;
  /** How many samples to draw. */
  n: number;
  /** How many alternatives to give for each token. */
  logprobs: number;
}

/** One turn of a conversation. */
export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** Go on from a prompt: exactly one of `prompt`, `prompt_token_ids` and `messages`. */
export interface GenerateRequest {
  model?: string;
  prompt?: string | null;
  prompt_token_ids?: number[] | null;
  messages?: ChatMessage[] | null;
  /** Whether `prompt` is put to the model as a user's turn; null: if the model has a chat template. */
  chat?: boolean | null;
  options?: SamplingOptions;
  /** Whether to keep the attention of prompt and completion as it is computed, for questions afterwards. */
  attention?: boolean;
  /**
   * Whether a request with a seed, run alone, is to say the same to the bit whatever has been read before; without, it
   * takes all that is kept of its prompt's beginning, whose numbers may have been rounded in another order.
   */
  exact?: boolean;
}

/** Load a model and keep it. */
export interface LoadRequest {
  model: string;
  /** null keeps the dtype that the weights are stored in. */
  dtype?: Dtype | null;
}

/** Give a model's memory back. */
export interface UnloadRequest {
  model: string;
}

/** Stop running requests: those named, or all. */
export interface CancelRequest {
  ids?: string[] | null;
}

/** Stop the model kernel itself; `force` also while others use it. */
export interface StopRequest {
  force?: boolean;
}

/** Cut a text into the model's tokens, with no model run. */
export interface TokenizeRequest {
  text: string;
  model?: string;
  add_special_tokens?: boolean;
}

/** The distribution of the token that follows a prompt. */
export interface NextRequest {
  prompt: string;
  model?: string;
  k?: number;
}

/**
 * The log-likelihood of texts, token by token.
 *
 * With `continuations`, item i is the likelihood of `continuations[i]` after `prompts[i]`, the two tokenised apart and
 * joined. Without, item i is the likelihood of the whole of `prompts[i]`; its first token has no logprob unless the
 * tokenizer puts a token before it.
 */
export interface ScoreRequest {
  prompts?: string[];
  /** In place of `prompts`, with continuations: exactly what the model has read before, such as a chat's template. */
  prompt_token_ids?: number[][] | null;
  continuations?: string[] | null;
  model?: string;
  /** How many alternatives to give for each token, with its rank and the entropy. */
  logprobs?: number;
}

/** One of the tokens that the model considered at a place. */
export interface TopLogprob {
  id: number;
  text: string;
  logprob: number;
  /**
   * With which it could be drawn, by temperature, top-k and top-p; 0 where these leave it out. null where nothing is drawn.
   */
  sampling_probability: number | null;
}

/**
 * One token as the model sees it.
 *
 * In a completion the texts of its tokens, joined, are the completion's text: the pieces of a character have the
 * text "" until the last of them, which has the whole character. A special token's text is its name, and no part of
 * the completion's.
 */
export interface Token {
  id: number;
  text: string;
  /** Natural log of the model's own probability (no temperature, no top-p), ≤ 0; null where nothing came before. */
  logprob: number | null;
  /** The most probable tokens at this place, most probable first. */
  top_logprobs: TopLogprob[];
  /** The token's own bytes, where they are not whole characters. */
  bytes: number[];
  /** Whether it is one of the tokenizer's special tokens. */
  special: boolean;
  /** With which it was drawn; like rank and entropy, told where alternatives are asked for. */
  sampling_probability: number | null;
  /** How probable the model found it: 1 is the most probable token of all. */
  rank: number | null;
  /** Of the model's own distribution at this place, in nats: 0 where it is sure of one token. */
  entropy: number | null;
}

/** How many tokens a request took. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}

/** Where the time of a request went, in seconds. */
export interface Timing {
  /** From its arrival to its first step, loading included. */
  queued: number;
  /** From its first step to its first token. */
  first_token: number;
  /** From its arrival to its end. */
  total: number;
}

/** The log-likelihood of one text (natural log). */
export interface TextScore {
  /** The tokens that were scored, each with its logprob. */
  tokens: Token[];
  /** The sum over those tokens that have one. */
  logprob: number;
}

/** A model that can be used. */
export interface ModelInfo {
  /** What to call it in `model=`. */
  name: string;
  /** Its directory, or its id on the hub. */
  source: string;
  loaded: boolean;
  /** Which weights exactly: the hub's commit, or a digest of the local files' inodes and times; and the dtype. */
  fingerprint: string;
  architecture: string;
  dtype: string;
  device: string;
  parameters: number;
  /** Memory of its weights; for one that isn't loaded, the size of its files. */
  bytes: number;
  context_length: number;
  n_layers: number;
  n_heads: number;
  vocabulary: number;
  chat_template: boolean;
  /** How many requests use it now. */
  in_use: number;
  idle_seconds: number;
}

/** A request that the model kernel works on. */
export interface RequestInfo {
  id: string;
  model: string;
  state: RequestState;
  prompt_tokens: number;
  generated_tokens: number;
  seconds: number;
}

/** A fine-tuning job that runs or is queued, in short; `job_protocol` has the rest. */
export interface RunningJob {
  name: string;
  state: "queued" | "running";
  step: number;
  max_steps: number | null;
  /** How many jobs come before it, while it is queued. */
  position: number | null;
}

/** What the models may take, and what they take, in bytes. */
export interface Memory {
  device: string;
  budget: number;
  weights: number;
  /** Resident memory of the whole process, shared pages of mapped files included. */
  process: number;
  /** Copies of weights in a faster order; they and the adapters share the budget of the weights. */
  packed: number;
  adapters: number;
  /** Recorded attentions, which have a budget of their own. */
  captures: number;
  captures_budget: number;
  /** Keys and values of the texts that run or are being read. */
  running: number;
  /** Those of earlier texts, kept for whoever begins the same way. */
  prefixes: number;
  /** What both may take together. */
  caches_budget: number;
}

/** Who the model kernel is and what it does: the answer of `/health`. */
export interface Status {
  /** `stopped` is what a client says when there is none. */
  state: "ready" | "stopping" | "stopped";
  pid: number | null;
  version: string;
  protocol: number;
  /** A digest of the package's Python files, so that an edited package never talks to an old process. */
  source_hash: string;
  /** The Python environment it runs in (`sys.prefix`). */
  prefix: string;
  address: string;
  uptime: number;
  threads: number;
  idle_timeout: number;
  memory: Memory | null;
  /** The loaded ones. */
  models: ModelInfo[];
  requests: RequestInfo[];
  /** Fine-tuning jobs that run, and then those that are queued. */
  jobs: RunningJob[];
}

/** How far something is that has to happen first. */
export interface Progress {
  stage: "starting" | "downloading" | "reading" | "queued" | "recording" | "computing";
  model: string;
  done: number;
  /**
   * In bytes; for `recording` an attention in tokens, for `computing` in heads or tokens; for `queued`, how many
   * requests are ahead in `done`, 0 where that is not known.
   */
  total: number;
}

/** A generation has begun; says what is really used. */
export interface Started {
  id: string;
  model: string;
  fingerprint: string;
  /** The text that the model sees, its chat template filled in; "" when the prompt came as token ids. */
  prompt: string;
  prompt_token_ids: number[];
  /** With the seed that was drawn and the length that fits. */
  options: SamplingOptions;
}

/** More tokens of one sample. */
export interface Tokens {
  /** Which of the n samples. */
  index: number;
  tokens: Token[];
}

/** One sample is complete. */
export interface Finished {
  index: number;
  finish_reason: FinishReason;
  usage: Usage;
}

/** A model is there. */
export interface Loaded {
  model: ModelInfo;
}

/** One more text has been scored; they come in order. */
export interface Scored {
  score: TextScore;
}

/** The request failed; OpenAI's error object. Nothing comes after it. */
export interface Failed {
  error: Record<string, unknown>;
}

/** The request is complete. Nothing comes after it. */
export interface Done {
  timing: Timing | null;
}

export type Event =
  | Sent<"progress", Progress>
  | Sent<"started", Started>
  | Sent<"tokens", Tokens>
  | Sent<"finished", Finished>
  | Sent<"loaded", Loaded>
  | Sent<"scored", Scored>
  | Sent<"failed", Failed>
  | Sent<"done", Done>;

/** An adapter that can be used: LoRA weights on a model, asked for as `model+name`. */
export interface AdapterInfo {
  /** What to call it after the `+`. */
  name: string;
  /** Its directory. */
  source: string;
  /** The model that it was trained on, as its config names it; whether it fits another is a question of shapes. */
  base: string;
  /** Where its layers differ, the config's. */
  rank: number;
  parameters: number;
  /** Memory of its weights; for one that isn't loaded, the size of its file. */
  bytes: number;
  /** Which weights exactly: sha256 over config and weights. */
  digest: string;
  /** The steps of its training that can be used as `name:step`; without one, the newest. */
  steps: number[];
  /** The step that `name:best` is. */
  best: number | null;
  /** The models beside which it is loaded. */
  models: string[];
  /** How many requests use it now. */
  in_use: number;
  /** What is wrong with its files; loading it says more. */
  problem: "pickled" | "damaged" | "incomplete" | null;
}

/** The lengths of an array's axes, separated by commas; empty for a single number. */
export const SHAPE_HEADER = "X-Array-Shape";

/** NumPy's name of an array's elements, little-endian. */
export const DTYPE_HEADER = "X-Array-Dtype";

/** The elements of every array. */
export const DTYPE = "float32";

export const ITEM_BYTES = 4;

export const MAX_OVERVIEW = 1024;

/** How many positions or heads a question may name. */
export const MAX_NAMED = 100000;

export const MAX_TOP = 1000;

/** Which attention of an encoder-decoder: `cross` has the target's tokens as queries, the text's as keys. */
export type Part = "decoder" | "encoder" | "cross";

/** `raw_scores` is what goes into the softmax: scaled, capped and biased, minus infinity where the mask forbids. */
export type Values = "weights" | "raw_scores";

export type Reduction = "mean" | "max";

export type TensorName = "query" | "key" | "value" | "output" | "hidden";

export type ScoreKind = "previous-token" | "induction" | "sink" | "entropy" | "distance" | "from-to";

export const SCORE_KINDS: readonly ScoreKind[] = ["previous-token", "induction", "sink", "entropy", "distance", "from-to"];

/** Record the attention of a text: exactly one of `text` and `token_ids`. */
export interface AttentionRequest {
  model?: string;
  text?: string | null;
  token_ids?: number[] | null;
  /** Whether `text` is put to the model as a user's turn, through its chat template. */
  chat?: boolean;
  add_special_tokens?: boolean;
  /** What an encoder-decoder has written so far; its start token comes before it. */
  target?: string | null;
  /** The same as ids, the start token included. */
  target_token_ids?: number[] | null;
  /** The weights it must be; "" takes the model as it is. */
  fingerprint?: string;
  /** Whether little will be asked of it; it is the first to be forgotten when room is needed. */
  brief?: boolean;
}

/** One head's attention, or a rectangle of it. */
export interface MapRequest {
  attention: string;
  part: Part;
  layer: number;
  head: number;
  /** The first query of the rectangle and the one after its last; null: all. */
  queries?: [number, number] | null;
  keys?: [number, number] | null;
  values?: Values;
  /**
   * Whether the first key's weight becomes 0 and the rest of a row is divided by what is left; nothing left stays 0.
   */
  hide_sink?: boolean;
}

/**
 * Small pictures of many heads: each map, or a rectangle of it, cut into blocks, each reduced to one number.
 *
 * Rectangle (query, key) becomes (row, column) with at most `size` each; block i of m over n tokens spans the tokens
 * from `i * n // m` up to `(i + 1) * n // m`, counted from where the rectangle begins.
 */
export interface OverviewRequest {
  attention: string;
  part: Part;
  /** null: all. */
  layers?: number[] | null;
  size?: number;
  reduction?: Reduction;
  /** Those of each layer, which all the layers must have; null: all. */
  heads?: number[] | null;
  /** The first query of the rectangle and the one after its last; null: all. */
  queries?: [number, number] | null;
  keys?: [number, number] | null;
  /** As in `MapRequest`, before anything is reduced. */
  hide_sink?: boolean;
}

/**
 * One of the tensors that an attention is made of.
 *
 * `output` is what the head's attention gave, before the output projection; `hidden` is transformers'
 * `hidden_states[layer]`, of which there is one more than layers and no head.
 */
export interface TensorRequest {
  attention: string;
  part: Part;
  name: TensorName;
  layer: number;
  head?: number | null;
}

/** One number for each head, for each kind asked for. */
export interface ScoresRequest {
  attention: string;
  part: Part;
  kinds: ScoreKind[];
  /** For `from-to`: the positions that attend. */
  queries?: number[];
  /** For `from-to`: the positions attended to. */
  keys?: number[];
}

/** How much two attentions of equal length differ. */
export interface DiffRequest {
  attention: string;
  other: string;
  part: Part;
}

/** What the model would say at a position if it ended after each layer. */
export interface LensRequest {
  attention: string;
  position?: number;
  k?: number;
}

/** What the next token would be without some heads: their outputs are zero at every position. */
export interface AblateRequest {
  attention: string;
  /** Pairs of layer and head. */
  heads: [number, number][];
  /** The token whose successor is predicted; later ones are left out. */
  position?: number;
  k?: number;
}

/**
 * Which head carries the answer: the corrupt text is run with one head's output from the clean text at a time.
 *
 * The texts must have equally many tokens. The measure is the difference of the logits of `answer` and `wrong` after
 * the last token.
 */
export interface PatchRequest {
  clean: string;
  corrupt: string;
  model?: string;
  /** One token; null: the most probable one after the clean text. */
  answer?: string | null;
  /** One token; null: the most probable one after the corrupt text. */
  wrong?: string | null;
  add_special_tokens?: boolean;
}

/** One kind of attention in a model; lists have an entry for each layer. */
export interface AttentionPart {
  name: Part;
  /** How many heads; 0 for a layer without attention, as hybrid models have them. */
  heads: number[];
  /** How many heads of keys and values: query head h uses key head `h // (heads // key_heads)`. */
  key_heads: number[];
  /** What the dot products are multiplied by; null where the model doesn't say. */
  scaling: (number | null)[];
  n_queries: number;
  n_keys: number;
}

/** A recorded attention. */
export interface AttentionInfo {
  /** The same for the same weights and tokens. */
  id: string;
  model: string;
  fingerprint: string;
  tokens: Token[];
  /** An encoder-decoder's target, its start token first; () otherwise. */
  target_tokens: Token[];
  n_layers: number;
  /** Of the layer that has most. */
  n_heads: number;
  parts: AttentionPart[];
  /** Whether the model predicts the next token, so that lens, ablate and patch make sense. */
  causal: boolean;
  /** What the model kernel keeps of it. */
  bytes: number;
}

/** The attention is recorded. */
export interface Captured {
  attention: AttentionInfo;
}

/** Scores of all heads. */
export interface HeadScores {
  /** (kind, layer, head); null where there is no such head. */
  values: (number | null)[][][];
}

/** Predictions after every layer. */
export interface Lens {
  position: number;
  /** For the embeddings and then for each layer, the most probable next tokens with their logprobs. */
  layers: Token[][];
}

/** The distribution of the next token with and without some heads. */
export interface Ablated {
  position: number;
  /** Kullback-Leibler divergence of the distribution after from the one before, in nats: sum p ln(p / q), p before. */
  kl: number;
  /** The most probable tokens, most probable first, each with its logprob. */
  before: Token[];
  after: Token[];
}

/** How much each head alone brings back of the clean answer: 0 nothing, 1 all. */
export interface Patched {
  model: string;
  fingerprint: string;
  answer: Token;
  wrong: Token;
  /** The logit of `answer` minus that of `wrong` after the clean text. */
  clean: number;
  /** The same after the corrupt text. */
  corrupt: number;
  /** (layer, head): (patched - corrupt) / (clean - corrupt). */
  heads: (number | null)[][];
  /** The same with all heads of a layer at once. */
  layers: (number | null)[];
  clean_tokens: Token[];
  corrupt_tokens: Token[];
}

export type AttentionEvent =
  | Sent<"progress", Progress>
  | Sent<"captured", Captured>
  | Sent<"head_scores", HeadScores>
  | Sent<"lens", Lens>
  | Sent<"ablated", Ablated>
  | Sent<"patched", Patched>
  | Sent<"failed", Failed>
  | Sent<"done", Done>;

export type ArrayRequest = MapRequest | OverviewRequest | TensorRequest;

export type StreamRequest = AttentionRequest | ScoresRequest | DiffRequest | LensRequest | AblateRequest | PatchRequest;

/** Takes lines of JSON as its body, of any length, and answers with `DataInfo`. */
export const DATA_PATH = "/v1/jobs/data";

/** What a row is made of. */
export const COLUMNS = ["text", "prompt", "completion", "messages"];

export const MAX_PROBES = 16;

export const REPEATED = "repeated: what occurs twice is learned twice";

/** How two warnings of a preview end: the one is shown faintly, for the other the notebook's side has better advice. */
export const RUN_TOGETHER = "with no space between prompt and completion: the two run together";

/** Samples that a preview shows whole. */
export const MAX_PREVIEWED = 50;

export type Method = "lora" | "full";

export type JobState = "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";

export const ENDED: readonly JobState[] = ["succeeded", "failed", "cancelled"];

/**
 * Why a job is in a state: `stopped` is an end that was asked for, with what there was; `died` a process that has gone without
 * a word; `not_finite` a loss that is no number any more.
 */
export type Reason = "user" | "stopped" | "early_stopping" | "disk_full" | "oom" | "died" | "not_finite" | "error" | "forgotten";

export type CommandName = "pause" | "resume" | "stop" | "cancel" | "learning_rate" | "max_steps";

/**
 * What becomes of a row that is longer than a sample may be. `split` makes several samples of a text, so that nothing of it is
 * lost. What can't be split is cut, as with `cut`: a text loses its end; where only an answer counts, what comes before it loses
 * its beginning, and only an answer that is too long by itself its end.
 */
export type TooLong = "split" | "cut" | "drop" | "refuse";

export type Schedule = "linear" | "cosine" | "constant";

/** What a low-rank adapter is made of. */
export interface LoraOptions {
  rank: number;
  /** Its output is scaled by alpha / rank; null: twice the rank. */
  alpha: number | null;
  dropout: number;
  /** Ends of the names of the layers that get one; null: all linear layers but the head. */
  targets: string[] | null;
}

/** How to train. null is chosen by the job, which says what it chose when it begins. */
export interface JobOptions {
  /** `lora` makes an adapter, `full` a model. */
  method: Method;
  epochs: number | null;
  /** Optimizer steps; wins over `epochs`. */
  max_steps: number | null;
  learning_rate: number | null;
  /** How the learning rate falls from its highest to 0; `constant` stays there. */
  schedule: Schedule;
  /** Steps in which it rises. */
  warmup_steps: number | null;
  /** Samples a step. */
  batch_size: number | null;
  /** Of these, samples that are computed together; it becomes half as many each time the memory does not suffice. */
  micro_batch_size: number | null;
  /** Tokens of a sample, at most the model's context; null: that, but no more than 1024. */
  max_length: number | null;
  /** What becomes of longer ones. */
  too_long: TooLong;
  /**
   * Whether a prompt is put to the model as a user's turn and its completion as the answer; null: if the model has a chat
   * template, as when it generates.
   */
  chat: boolean | null;
  /** Whether samples are laid end to end instead of padded; null: where a trial says that they don't see each other. */
  packing: boolean | null;
  lora: LoraOptions;
  /** Of the products; null: bfloat16 where this machine is faster with it and the model is not small. */
  dtype: Dtype | null;
  gradient_checkpointing: boolean;
  seed: number;
  /** How much of the data is kept for validation where no validation data are given. */
  validation_share: number;
  /** Steps between two validations. */
  validate_every: number | null;
  /** Ends after so many validations without a better one. */
  early_stopping: number | null;
  /** Steps between two checkpoints. */
  save_every: number | null;
  /** Of how many of the newest checkpoints the resume state stays. */
  keep_last: number;
  /** Of how many of the best besides. */
  keep_best: number;
  /** Prompts that are gone on from before the first step and every `probe_every` steps, always alike. */
  probes: string[];
  probe_every: number | null;
  probe_tokens: number;
  /** Anything else that `transformers.TrainingArguments` takes. */
  training_arguments: Record<string, unknown>;
}

/** Start a job; or attach to the one that has this name, these data and these options already. */
export interface JobRequest {
  /** The sha256 of what was sent to `DATA_PATH`. */
  data: string;
  /** Likewise, of the validation data. */
  validation?: string | null;
  /** The base; with an adapter it goes on from that one. */
  model?: string;
  /** What the job and its adapter (or model) are called; null: the job of the same data and options, or a new name. */
  name?: string | null;
  options?: JobOptions;
  /** Whether a job of this name goes on with other data or options than it was begun with. */
  force?: boolean;
  /**
   * By `COLUMNS`: from which columns, or by which templates, the rows were made, so that others can be made alike. Rows tell
   * what a job is; this doesn't, and two requests that differ in it alone are the same.
   */
  columns?: Record<string, string>;
}

/** Tell a job something; answered with `CommandTaken`, and acknowledged by a `CommandDone` among the job's events. */
export interface CommandRequest {
  job: string;
  command: CommandName;
  /** The new learning rate, or the new number of steps. */
  value?: number | null;
}

/** What has been recorded of a job; answered with a stream of its events, each once, in their order. */
export interface EventsRequest {
  job: string;
  /** The number of the last event that is known already. */
  after?: number;
  /** Whether to wait for more until the job has ended or paused. */
  follow?: boolean;
}

/** Delete a job with its checkpoints, and with the adapter or the model that it has made. */
export interface ForgetRequest {
  job: string;
}

/** What a model would see of data, and what a job would take; answered with `Preview`. */
export interface PreviewRequest {
  data: string;
  validation?: string | null;
  model?: string;
  options?: JobOptions;
  /** How many samples to show whole. */
  samples?: number;
}

/** Measure a model on data, as a validation does; answered with a stream of `Evaluated`, one for each sample. */
export interface EvaluateRequest {
  data: string;
  model?: string;
  max_length?: number | null;
  too_long?: TooLong;
  chat?: boolean | null;
}

/** Give an adapter, and the job that made it, another name. */
export interface RenameAdapterRequest {
  name: string;
  new_name: string;
}

/** Delete an adapter, or one of its steps. */
export interface DeleteAdapterRequest {
  name: string;
  step?: number | null;
}

/** Write a model with its adapter for others to load; answered with a stream of `Progress` and one `Exported`. */
export interface ExportRequest {
  /** A model string with an adapter, or a model that a job has made. */
  model: string;
  /** Absolute, on the machine of the model kernel; nothing may be there, or an empty directory. */
  directory: string;
  /** Whether to add the adapter to the weights; otherwise it is written as peft does. */
  merged?: boolean;
}

/** Data that the model kernel has. */
export interface DataInfo {
  /** sha256 of its lines. */
  digest: string;
  rows: number;
  bytes: number;
}

/** A checkpoint that was acknowledged, and is still there. */
export interface CheckpointInfo {
  step: number;
  bytes: number;
  /** Of an adapter what its identity is, of a model the sha256 of its manifest. */
  digest: string;
  /** Whether its resume state has been kept. */
  can_resume: boolean;
  /** Of the validation at its step. */
  loss: number | null;
  best: boolean;
}

/** What a job takes, as far as can be told before. */
export interface Estimate {
  /** Memory of the device at its peak. */
  bytes: number;
  weights: number;
  /** Gradients and the optimizer's moments. */
  training_state: number;
  activations: number;
  /** Of the whole training. */
  seconds: number;
  steps: number;
  /** That are computed in all steps together. */
  tokens: number;
  /** Memory of the device that is free, or would be when idle models leave. */
  free: number;
}

/** A job as it is now. */
export interface JobInfo {
  /** Made once; a name can change. */
  id: string;
  name: string;
  model: string;
  state: JobState;
  reason: Reason | null;
  /** One line more about the state, with the next action where there is one. */
  message: string | null;
  /** What was asked for. */
  options: JobOptions;
  /** From which columns, or by which templates, its rows were made; {} where nobody said. */
  columns: Record<string, string>;
  /** What the job chose where nothing was asked for, and what commands have changed since. */
  chosen: Record<string, unknown>;
  /** The model string of what it has made so far: `model+name`, or a model's name; null before the first checkpoint. */
  result: string | null;
  directory: string;
  /** Of the process that runs it now. */
  pid: number | null;
  attempt: number;
  /** How many jobs come before it, while it is queued. */
  position: number | null;
  step: number;
  max_steps: number | null;
  epoch: number;
  /** Of the last step. */
  loss: number | null;
  /** Of the last step, or what it was set to since. */
  learning_rate: number | null;
  validation_loss: number | null;
  best_step: number | null;
  checkpoints: CheckpointInfo[];
  tokens_per_second: number | null;
  seconds_left: number | null;
  /** Seconds since 1970, as all times. */
  created: number;
  started: number | null;
  ended: number | null;
}

/** A job is there. */
export interface JobStarted {
  job: JobInfo;
  /** Whether it was there before. */
  attached: boolean;
  /** Whether its process had died, and it goes on now. */
  resumed: boolean;
}

/** A command has been written down for a job. */
export interface CommandTaken {
  /** Which `CommandDone` acknowledges it. */
  number: number;
}

/** A sample exactly as the model sees it. */
export interface PreviewedSample {
  row: number;
  text: string;
  tokens: Token[];
  /** Of each token, whether it counts in the loss. */
  counted: boolean[];
  /** How many tokens were left out. */
  cut: number;
}

/** What a model would see of data. */
export interface Preview {
  rows: number;
  /** Rows less those that were dropped, and a text that was split as often as it has parts. */
  samples: number;
  tokens: number;
  /** Of these, tokens that count in the loss. */
  counted: number;
  max_length: number;
  /** The shortest, the quartiles and the longest, before anything is cut. */
  lengths: number[];
  /** Samples that lose some of their tokens. */
  cut: number;
  dropped: number;
  /** Texts that become several samples. */
  split: number;
  validation_samples: number;
  shown: PreviewedSample[];
  estimate: Estimate;
  /** Such as labels that occur once. */
  warnings: string[];
}

/** What a model makes of one sample. */
export interface Evaluated {
  row: number;
  /** The sum over its counted tokens of their negative natural-log probability. */
  loss: number;
  /** How many those are. */
  tokens: number;
  /** For how many of them the most probable token was the right one. */
  correct: number;
  cut: number;
}

/** What was written. */
export interface Exported {
  directory: string;
  files: string[];
  bytes: number;
}

/** GET: `{"jobs": [JobInfo, …]}`, the newest first; with `?job=` the one of an id or a name, if it is there. */
export const LIST_PATH = "/v1/jobs";
