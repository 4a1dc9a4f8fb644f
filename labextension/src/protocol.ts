/**
 * What the notebook side and the model kernel say to each other, as JSON: requests, results and events.
 *
 * Written by  python labextension/generate_protocol.py  from protocol.py and attention_protocol.py; don't edit it.
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
  prompts: string[];
  continuations?: string[] | null;
  model?: string;
}

/** One of the tokens that the model considered at a place. */
export interface TopLogprob {
  id: number;
  text: string;
  logprob: number;
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
