/** What a model would see of the data: the exact tokens, on colour where they count in the loss, and how long the rows are. */

import { make, set } from "../../lib/elements.ts";
import { counted, grouped } from "../../lib/numbers.ts";
import { tokenElement, visible } from "../../lib/text.ts";
import { type Preview, type PreviewedSample, REPEATED } from "../../protocol.ts";
import type { Previewed } from "./source.ts";

/** Tokens of a sample that are shown. */
const SHOWN = 400;

export interface PreviewView {
  element: HTMLElement;
  wait(): void;
  stop(): void;
  show(previewed: Previewed): void;
}

export function previewView(): PreviewView {
  const body = make("div", { class: "gpt-preview-body" });
  const [learnt, read] = [make("span", { class: "gpt-counted" }, "learnt"), make("span", { class: "gpt-only-read" }, "only read")];
  const key = make("span", { class: "gpt-faint-text gpt-preview-key" }, learnt, " ", read);
  const head = make("div", { class: "gpt-part-head" }, make("h4", { class: "gpt-part-title" }, "what the model sees"), key);
  const element = make("section", { class: "gpt-preview", "aria-label": "what the model would see" }, head, body);
  const nothing = make("p", { class: "gpt-explains" });
  body.append(nothing);
  return {
    element,
    wait() {
      set(element, { "data-waits": true });
      nothing.textContent = "reading the data …";
    },
    stop() {
      set(element, { "data-waits": false });
      nothing.textContent = "nothing yet";
    },
    show({ preview, sampled, rows }) {
      set(element, { "data-waits": false });
      body.replaceChildren(
        ...preview.shown.map(sampleOf),
        make("p", { class: "gpt-explains" }, ...lengthWords(preview)),
        ...preview.warnings.map((warning) => {
          const faint = warning.endsWith(REPEATED);
          return make("p", { class: faint ? "gpt-explains" : "gpt-warning" }, visible(warning));
        }),
      );
      if (sampled === null) return;
      const looked = `looked at ${grouped(sampled)} of ${counted(rows, "row")}; the training takes all`;
      body.append(make("p", { class: "gpt-explains" }, looked));
    },
  };
}

function sampleOf({ row, tokens, counted: learnt, cut }: PreviewedSample): HTMLElement {
  const shown = tokens.slice(0, SHOWN).map((token, at) => {
    const element = tokenElement(token);
    element.classList.add(learnt[at] ? "gpt-counted" : "gpt-only-read");
    return element;
  });
  const more = [
    tokens.length > SHOWN ? `… ${counted(tokens.length - SHOWN, "more token")}` : "",
    cut > 0 ? `${counted(cut, "token")} cut` : "",
  ].filter(Boolean);
  return make(
    "div",
    { class: "gpt-sample" },
    make("span", { class: "gpt-number gpt-faint-text", title: `row ${row}` }, grouped(row)),
    make("p", { class: "gpt-sample-text", dir: "auto" }, ...shown, make("span", { class: "gpt-faint-text" }, ` ${more.join(", ")}`)),
  );
}

/** How many samples of which length, and what happens to those that are too long. */
export function lengthWords(preview: Preview): string[] {
  const { samples, tokens, counted: learnt, lengths, max_length, cut, dropped, split, validation_samples } = preview;
  const [least, , median, , most] = lengths;
  const words = [
    `${counted(samples, "sample")}, ${counted(tokens, "token")}, of which ${counted(learnt, "is", "are")} learnt`,
    lengths.length === 5 ? `${grouped(least!)} to ${counted(most!, "token")} long, half of them up to ${grouped(median!)}` : "",
    split > 0 ? `${counted(split, "text")} longer than ${grouped(max_length)} ${split === 1 ? "is" : "are"} split` : "",
    cut > 0 ? `${counted(cut, "sample loses", "samples lose")} what is beyond ${counted(max_length, "token")}` : "",
    dropped > 0 ? `${counted(dropped, "row is", "rows are")} dropped` : "",
    validation_samples > 0 ? `${counted(validation_samples, "sample is", "samples are")} for validation` : "",
  ];
  return [`${words.filter(Boolean).join("; ")}.`];
}
