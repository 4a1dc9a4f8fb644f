/** The whole attention panel with made-up numbers: /panel.html?tokens=4096&layers=32&heads=32&dark=1&width=700&state={"view":"lines"} */

import { mount } from "../src/widgets/attention.ts";
import type { Ablated, Lens, Progress, Token } from "../src/protocol.ts";
import type { Opened, Steps, Table } from "../src/widgets/attention/source.ts";
import { FakeSource } from "./fake-source.ts";

/** With what a model would say, made up as well. */
class FakeModel extends FakeSource {
  started = false;

  async start(onProgress: (progress: Progress) => void): Promise<void> {
    for (let done = 0; done <= 548; done += 137) {
      onProgress({ stage: "reading", model: "fake", done: done * 1e6, total: 548e6 });
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    this.started = true;
  }

  override async open(): Promise<Opened> {
    const opened = await super.open();
    if (asked.has("fail") && !this.started) throw Object.assign(new Error("the model kernel is not running: start it"), { code: asked.get("fail") });
    if (asked.has("cross")) {
      const { info } = opened;
      const own = info.parts[0]!;
      const n_queries = 12;
      opened.info = { ...info, target_tokens: info.tokens.slice(8, 8 + n_queries), parts: [{ ...own, name: "cross", n_queries }, { ...own, name: "encoder" }, { ...own, name: "decoder", n_queries, n_keys: n_queries }] };
    }
    const generated = asked.has("generated") ? number("generated", 0) : null;
    return { ...opened, generated, other: asked.has("other") ? { ...opened.info, model: "other" } : null };
  }

  override async steps(question?: { layer: number; head: number; query: number }): Promise<Steps> {
    const { query: at } = question!;
    const [n, width] = [this.tokens.length, 64];
    const query = Float32Array.from({ length: width }, (_, i) => Math.sin(i * 1.7 + at));
    const keys = Float32Array.from({ length: n * width }, (_, i) => Math.sin((i % width) * 1.7 + Math.floor(i / width) * 0.9) + Math.cos(i * 3.1) * 0.5);
    const raw = Float32Array.from({ length: n }, (_, key) => (key > at ? -Infinity : query.reduce((sum, value, i) => sum + value * keys[key * width + i]!, 0) * 0.125));
    const powers = raw.map((score) => Math.exp(score));
    const sum = powers.reduce((total, power) => total + power, 0);
    const weights = powers.map((power) => power / sum);
    const values = Float32Array.from({ length: n * width }, (_, i) => Math.cos(i * 0.37));
    const output = Float32Array.from({ length: width }, (_, i) => weights.reduce((total, weight, key) => total + weight * values[key * width + i]!, 0));
    return { scaling: 0.125, query, keys: { rows: n, columns: width, values: keys }, raw_scores: raw, weights, values: { rows: n, columns: width, values }, output };
  }

  override async lens(question?: { position: number; k: number }): Promise<never> {
    const { position, k } = question!;
    const layers = Array.from({ length: this.shape.layers + 1 }, (_, layer) => Array.from({ length: k }, (_, i) => this.#guess(position + 1 + ((i + 12 - layer) % 5), layer / 14 / (i + 1) ** 2 + 0.02)));
    return { type: "lens", seq: 0, position, layers } as Lens as never;
  }

  override async ablate(question?: { position: number; heads: [number, number][] }): Promise<never> {
    const { position, heads } = question!;
    const off = heads.length;
    const top = (shift: number) => Array.from({ length: 20 }, (_, i) => this.#guess(i + shift, 0.6 / (i + 1) ** 1.5));
    return { type: "ablated", seq: 0, position, kl: 0.12 * off, before: top(0), after: top(off) } as Ablated as never;
  }

  override async diff(): Promise<never> {
    return Array.from({ length: this.shape.layers }, (_, l) => Array.from({ length: this.shape.heads }, (_, h) => Math.abs(Math.sin(l * 7 + h * 3)) ** 5 * 0.4)) as Table as never;
  }

  #guess(at: number, share: number): Token {
    return { ...this.tokens[at % this.tokens.length]!, id: at, logprob: Math.log(share) };
  }
}

const asked = new URLSearchParams(location.search);
const number = (name: string, otherwise: number): number => Number(asked.get(name) ?? otherwise);
const heads = number("heads", 12);
const source = new FakeModel({ tokens: number("tokens", 38), layers: number("layers", 12), heads, keyHeads: number("keys", heads), delay: number("delay", 15) });

document.body.dataset["jpThemeLight"] = String(!asked.has("dark"));
document.body.style.background = asked.has("dark") ? "#111111" : "#ffffff";
const main = document.querySelector("main")!;
if (asked.has("width")) main.style.width = `${number("width", 0)}px`;
mount(main, source, JSON.parse(asked.get("state") ?? "{}"));
