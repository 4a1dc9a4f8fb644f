/** Tries checkpoints: a prompt goes to each of the chosen ones at once, and what they make of it streams in beside each other. */

import { Endings } from "../../lib/asking.ts";
import { button, make, told } from "../../lib/elements.ts";
import { modelText } from "../../lib/model-text.ts";
import { codeOfError, isCancelled, messageOf } from "../../lib/notices.ts";
import { counted, grouped } from "../../lib/numbers.ts";
import { chosenSteps, modelAt, stepName } from "./model-strings.ts";
import type { Streamed } from "./source.ts";
import type { Context, View } from "./view.ts";

const LENGTH = 80;
const TEMPERATURE = 0.8;
/** All are tried with the same one, so that what differs is the model. */
const SEED = 0;
/** More could not be read beside each other. */
export const MOST_TRIED = 4;

export interface TryingView extends View {
  /** Puts the focus into the prompt. */
  open(): void;
  /** Tries a step beside the base. */
  compare(step: number): void;
}

export function tryingView({ store, source, history, living, failed }: Context): TryingView {
  const endings = new Endings();
  let asked: AbortController | null = null;
  let replayed = false;
  const says = told("the prompt that checkpoints are tried with", "Ctrl+Enter");
  const prompt = make("textarea", { class: "gpt-input gpt-prompt", rows: 2, placeholder: "a prompt to try", ...says });
  const does = `let the chosen ones go on from the prompt: ${LENGTH} tokens at most, temperature ${TEMPERATURE}, the same seed for each`;
  const go = button("try", { does, key: "Ctrl+Enter", class: "gpt-primary", press: () => run() });
  const stop = button("stop", { does: "stop generating", press: () => end() });
  stop.hidden = true;
  const results = make("div", { class: "gpt-results" });
  const tools = make("div", { class: "gpt-part-tools", hidden: !living }, go, stop);
  const element = make("div", { class: "gpt-trying" }, prompt, tools, results);
  prompt.readOnly = !living;

  const promptOf = (): string => store.get().try_prompt || history.info?.options.probes[0] || "";
  const show = (): void => {
    const { info } = history;
    element.hidden = info === null || info.checkpoints.length === 0 || (!living && !results.hasChildNodes());
    if (info === null) return;
    const names = chosenSteps(info, store.get().trying).slice(0, MOST_TRIED).map(stepName).join(", ");
    const text = `try ${names}`;
    if (go.textContent !== text) go.textContent = text;
  };

  function end(): void {
    asked?.abort();
    asked = null;
    stop.hidden = true;
  }

  function run(): void {
    const { info } = history;
    const text = prompt.value || promptOf();
    if (info === null || text === "") return prompt.focus();
    end();
    const asking = new AbortController();
    asked = asking;
    stop.hidden = false;
    const wanted = chosenSteps(info, store.get().trying).slice(0, MOST_TRIED);
    // What was tried is a part of what the panel shows, and so of a page that is saved.
    store.set({ try_prompt: text, trying: wanted });
    results.replaceChildren();
    const all = wanted.map((step) => {
      const said = make("div", { class: "gpt-result-text", dir: "auto" });
      const speed = make("span", { class: "gpt-number gpt-faint-text" });
      const head = make("div", { class: "gpt-result-head" }, make("b", {}, stepName(step)), speed);
      results.append(make("div", { class: "gpt-result" }, head, said));
      return stream(modelAt(info, step) ?? info.model, text, { said, speed }, asking.signal);
    });
    show();
    void Promise.allSettled(all).then(() => {
      if (asked === asking) end();
      show();
    });
  }

  /** Shows what was tried before a page was saved. */
  function replay(): void {
    const { try_prompt: tried, trying: steps } = store.get();
    replayed = true;
    if (!living && tried !== "" && steps.length > 0) run();
  }

  /** Shows a text as it comes, at most once a frame. */
  async function stream(
    model: string,
    text: string,
    { said, speed }: { said: HTMLElement; speed: HTMLElement },
    signal: AbortSignal,
  ): Promise<void> {
    const began = performance.now();
    let [newest, frame, streams] = [null as Streamed | null, 0, true];
    const shown = (): void => {
      frame = 0;
      if (newest === null) return;
      said.replaceChildren(make("span", { class: "gpt-faint-prompt" }, ...modelText(text, true)), ...modelText(newest.text, true));
      const seconds = Math.max(0.001, (performance.now() - began) / 1000);
      const fast = living && streams ? `, ${grouped(Math.round(newest.tokens / seconds))} tok/s` : "";
      speed.textContent = `${counted(newest.tokens, "token")}${fast}`;
    };
    const onText = (streamed: Streamed): void => {
      newest = streamed;
      frame ||= requestAnimationFrame(shown);
    };
    said.append(make("span", { class: "gpt-faint-prompt" }, ...modelText(text, true)), make("span", { class: "gpt-caret", "aria-hidden": "true" }));
    try {
      const whole = await source.generate({ model, prompt: text, max_new_tokens: LENGTH, temperature: TEMPERATURE, seed: SEED }, onText, { signal });
      streams = false;
      onText(whole);
    } catch (error) {
      cancelAnimationFrame(frame);
      if (isCancelled(error)) shown();
      else if (codeOfError(error) === "not_saved") said.parentElement?.remove();
      else {
        said.append(make("p", { class: "gpt-explains gpt-wrong" }, messageOf(error)));
        failed(error);
      }
    }
  }

  const showPrompt = (): void => {
    if (document.activeElement !== prompt) prompt.value = promptOf();
  };
  endings.listen(prompt, "change", () => store.set({ try_prompt: prompt.value }));
  endings.listen(prompt, "keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
    event.preventDefault();
    store.set({ try_prompt: prompt.value });
    run();
  });
  endings.add(store.on(["try_prompt"], showPrompt), store.on(["trying"], show), end);
  return {
    element,
    update() {
      show();
      if (prompt.value === "") showPrompt();
      if (!replayed && history.info !== null) replay();
    },
    open() {
      if (!element.hidden) prompt.focus();
    },
    compare(step) {
      store.set({ trying: [0, step] });
      if (prompt.value === "") prompt.focus();
      else run();
    },
    destroy: () => endings.end(),
  };
}
