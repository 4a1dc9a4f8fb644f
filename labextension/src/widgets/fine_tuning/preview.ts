/** What a model would see of the data: the exact tokens, on colour where they count in the loss, and how long the rows are. */

import { make, set } from "../../lib/elements.ts";
import { grouped } from "../../lib/numbers.ts";
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
  const [counted, read] = [make("span", { class: "gpt-counted" }, "learnt"), make("span", { class: "gpt-only-read" }, "only read")];
  const key = make("span", { class: "gpt-faint-text gpt-preview-key" }, counted, " ", read);
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
      const looked = `looked at ${grouped(sampled)} of ${grouped(rows)} rows; the training takes all`;
      body.append(make("p", { class: "gpt-explains" }, looked));
    },
  };
}

function sampleOf({ row, tokens, counted, cut }: PreviewedSample): HTMLElement {
  const shown = tokens.slice(0, SHOWN).map((token, at) => {
    const element = tokenElement(token);
    element.classList.add(counted[at] ? "gpt-counted" : "gpt-only-read");
    return element;
  });
  const more = [
    tokens.length > SHOWN ? `… ${grouped(tokens.length - SHOWN)} more tokens` : "",
    cut > 0 ? `${grouped(cut)} tokens cut` : "",
  ].filter(Boolean);
  return make(
    "div",
    { class: "gpt-sample" },
    make("span", { class: "gpt-number gpt-faint-text", title: `row ${row}` }, grouped(row)),
    make("p", { class: "gpt-sample-text", dir: "auto" }, ...shown, make("span", { class: "gpt-faint-text" }, ` ${more.join(", ")}`)),
  );
}

/** How many samples of which length, and what happens to those that are too long. */
function lengthWords(preview: Preview): string[] {
  const { samples, tokens, counted, lengths, max_length, cut, dropped, split, validation_samples } = preview;
  const [least, , median, , most] = lengths;
  const words = [
    `${grouped(samples)} sample${samples === 1 ? "" : "s"}, ${grouped(tokens)} tokens, of which ${grouped(counted)} are learnt`,
    lengths.length === 5 ? `${grouped(least!)} to ${grouped(most!)} tokens long, half of them up to ${grouped(median!)}` : "",
    split > 0 ? `${grouped(split)} texts longer than ${grouped(max_length)} are split` : "",
    cut > 0 ? `${grouped(cut)} samples lose what is beyond ${grouped(max_length)} tokens` : "",
    dropped > 0 ? `${grouped(dropped)} rows are dropped` : "",
    validation_samples > 0 ? `${grouped(validation_samples)} samples are for validation` : "",
  ];
  return [`${words.filter(Boolean).join("; ")}.`];
}
