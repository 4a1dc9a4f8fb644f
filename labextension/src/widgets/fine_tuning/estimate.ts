/** What a training would take: memory against what is free, time, steps. */

import { byteSize } from "../../lib/byte-sizes.ts";
import { make, set } from "../../lib/elements.ts";
import { counted } from "../../lib/numbers.ts";
import { duration } from "../../lib/ticks.ts";
import type { Estimate } from "../../protocol.ts";

export interface EstimateView {
  element: HTMLElement;
  wait(): void;
  stop(): void;
  show(estimate: Estimate): void;
}

export function estimateView(): EstimateView {
  const words = make("span", { class: "gpt-estimate-words" });
  const parts = ["weights", "training_state", "activations"].map((part) => make("span", { class: `gpt-memory-part gpt-memory-${part}` }));
  const bar = make("div", { class: "gpt-memory", role: "img" }, ...parts);
  const element = make("div", { class: "gpt-estimate", "aria-live": "polite" }, bar, words);
  bar.hidden = true;
  return {
    element,
    wait: () => set(element, { "data-waits": true }),
    stop: () => set(element, { "data-waits": false }),
    show({ bytes, weights, training_state, activations, free, seconds, steps, tokens }) {
      set(element, { "data-waits": false });
      const whole = Math.max(free, bytes, 1);
      [weights, training_state, activations].forEach((size, at) => {
        (parts[at] as HTMLElement).style.width = `${(100 * size) / whole}%`;
      });
      bar.hidden = false;
      const short = bytes > free;
      const said = `weights ${byteSize(weights)}, gradients and optimizer ${byteSize(training_state)}, activations ${byteSize(activations)}`;
      set(bar, { title: said, "aria-label": `memory: ${said}`, "data-short": short });
      const needs = `needs ${byteSize(bytes)}, and only ${byteSize(free)} are free`;
      const memory = short ? needs : `${byteSize(bytes)} of ${byteSize(free)} free memory`;
      words.textContent = `${memory} · about ${duration(seconds)} · ${counted(steps, "step")} · ${counted(tokens, "token")}`;
    },
  };
}
