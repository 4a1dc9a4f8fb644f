/** The form before a job begins: what to train on what, what the model would see of it, and what it would take. */

import { Endings, Latest } from "../../lib/asking.ts";
import { button, make, set } from "../../lib/elements.ts";
import { codeOfError, isCancelled, messageOf, progressText } from "../../lib/notices.ts";
import { visible } from "../../lib/text.ts";
import { compact } from "../../lib/ticks.ts";
import { estimateView } from "./estimate.ts";
import { numberOf, wrongFields, wrongNumber } from "./form-checks.ts";
import { type FieldName, fieldOf, FIELDS, otherwiseOf, SEEN } from "./form-fields.ts";
import { previewView } from "./preview.ts";
import type { Form, Opened } from "./source.ts";
import type { Context } from "./view.ts";

/** Milliseconds of quiet after which what was written is looked at. */
const QUIET = 400;

const COLUMNS: readonly FieldName[] = ["text", "prompt", "completion", "messages"];
const CHOICES: Partial<Record<FieldName, Record<string, string>>> = {
  method: { lora: "adapter (LoRA)", full: "whole model" },
  too_long: { split: "split", cut: "cut", drop: "drop" },
};

interface Control {
  element: HTMLElement;
  input: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
  says: HTMLElement;
}

export interface FormView {
  element: HTMLElement;
  start(): void;
  /** Asks again for what failed, as after a model kernel was started. */
  again(): void;
  destroy(): void;
}

/** `begun` gets the id of the job that was started, or of one that was there. */
export function formView(context: Omit<Context, "history" | "refresh">, begun: (job: string) => void): FormView {
  const { store, source, opened, notices, failed, living } = context;
  const endings = new Endings();
  const [previewing, estimating, beginning] = [new Latest(), new Latest(), new Latest()];
  const preview = previewView();
  const estimate = estimateView();
  const controls = new Map<FieldName, Control>();
  let form: Form = { ...(store.get().form ?? (opened.form as Form)) };
  let timer = 0;
  /** Whether what the model would see has changed since somebody looked. */
  let unseen = true;

  const names = Object.keys(FIELDS) as FieldName[];
  const field = (name: FieldName): HTMLElement => {
    const control = controlOf(name, form, opened);
    controls.set(name, control);
    endings.listen(control.input, control.input instanceof HTMLSelectElement ? "change" : "input", () => changed(name));
    return control.element;
  };
  const plain = names.filter((name) => !FIELDS[name].advanced && name !== "probes" && !COLUMNS.includes(name));
  const folded = names.filter((name) => FIELDS[name].advanced && !COLUMNS.includes(name));
  const found = opened.data?.columns ?? [];
  const list = make("datalist", { id: columnsId }, ...found.map((value) => make("option", { value })));
  const there = make("div", { class: "gpt-name-taken", role: "status", hidden: true });
  const start = button("Start", { does: "start the training", key: "Ctrl+Enter", class: "gpt-primary", press: () => begin() });
  const element = make(
    "form",
    { class: "gpt-form", "aria-label": "a new fine-tuning" },
    make("div", { class: "gpt-fields" }, ...plain.map(field)),
    found.length > 0
      ? folding(`columns: ${found.map(visible).join(", ")}`, COLUMNS.some((name) => form[name] !== ""), COLUMNS.map(field))
      : null,
    field("probes"),
    folding("more options", false, folded.map(field)),
    list,
    there,
    make("div", { class: "gpt-form-start" }, start, estimate.element),
    preview.element,
  );

  /** Reads a field, says what is wrong, and asks anew for what it changes. */
  function changed(name: FieldName): void {
    form = { ...form, [name]: valueOf(name, controls.get(name)!.input.value) };
    store.set({ form });
    showWrong();
    clearTimeout(timer);
    if (SEEN.includes(name)) {
      unseen = true;
      previewing.end();
    }
    timer = window.setTimeout(look, QUIET);
  }

  /** What can be told without asking; whether nothing is wrong. */
  function showWrong(): boolean {
    const wrong = wrongFields(form, opened.data?.validation);
    for (const [name, { input }] of controls) {
      const why = wrongNumber(name, input.value) ?? wrong[name] ?? null;
      say(name, why);
    }
    // A model that is trained whole has no adapter.
    controls.get("lora_rank")!.element.hidden = form.method === "full";
    showThere();
    start.disabled = !living || [...controls.values()].some(({ says }) => says.textContent !== "");
    return !start.disabled;
  }

  /** A job of this name, which is what somebody wants who has run the panel's cell again. */
  function showThere(): void {
    const job = opened.jobs.find(({ name }) => name === form.name);
    there.hidden = job === undefined;
    if (job === undefined) return there.replaceChildren();
    const show = button("show it", { does: `show the job ${job.name}`, class: "gpt-primary", press: () => begun(job.id) });
    const says = `${visible(job.name)} is there, ${job.state}. Start goes on with it if data and options are the same.`;
    there.replaceChildren(make("span", {}, says), show);
  }

  function say(name: FieldName, why: string | null): void {
    const { input, says } = controls.get(name)!;
    if (says.textContent !== (why ?? "")) says.textContent = why ?? "";
    set(input, { "aria-invalid": why !== null });
    const fold = why === null ? null : input.closest("details");
    if (fold !== null) fold.open = true;
  }

  /** Asks what the model would see, which tells what it would take as well; or only that. */
  function look(): void {
    if (!living) return;
    // What was estimated is of other values than those that are written now.
    if (!showWrong()) return estimate.wait();
    const question = { form };
    if (!unseen) {
      estimate.wait();
      return estimating.run((signal) => source.estimate(question, { signal }), (now) => estimate.show(now), refused);
    }
    estimating.end();
    preview.wait();
    estimate.wait();
    previewing.run(
      (signal) => source.preview(question, { signal }),
      (previewed) => {
        unseen = false;
        preview.show(previewed);
        estimate.show(previewed.preview.estimate);
      },
      refused,
    );
  }

  /** An error stands at the field that it is about, where there is one. */
  function refused(error: unknown): void {
    if (isCancelled(error)) return;
    preview.stop();
    estimate.stop();
    const param = error instanceof Error && "param" in error && typeof error.param === "string" ? error.param : null;
    const name = fieldOf(param);
    if (name === null || !controls.has(name) || codeOfError(error) === "model_kernel_not_running") return failed(error);
    say(name, messageOf(error));
    start.disabled = true;
  }

  function begin(): void {
    if (!living || !showWrong()) return;
    start.disabled = true;
    notices.say("progress", "starting …");
    beginning.run(
      (signal) => source.begin({ form }, (progress) => notices.say("progress", progressText(progress)), { signal }),
      (info) => {
        notices.clear();
        begun(info.id);
      },
      (error) => {
        notices.clear();
        start.disabled = false;
        refused(error);
      },
    );
  }

  endings.listen(element, "submit", (event) => event.preventDefault());
  endings.listen(element, "keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    begin();
  });
  endings.add(
    store.on(["form"], () => {
      // Another view of the same panel has written something.
      const now = store.get().form;
      if (now === null || JSON.stringify(now) === JSON.stringify(form)) return;
      form = { ...now };
      for (const [name, { input }] of controls) if (input !== document.activeElement) input.value = textOf(name, form);
      unseen = true;
      look();
    }),
    () => [previewing, estimating, beginning].forEach((each) => each.end()),
    () => clearTimeout(timer),
  );
  if (living) look();
  else start.hidden = true;
  return { element, start: begin, again: look, destroy: () => endings.end() };
}

function folding(title: string, open: boolean, fields: HTMLElement[]): HTMLElement {
  return make("details", { class: "gpt-fold", open }, make("summary", {}, title), make("div", { class: "gpt-fields" }, ...fields));
}

/** Lists belong to the page: two panels may share this one's name, as the columns of the newest are only offered. */
const columnsId = `gpt-columns-${Math.random().toString(36).slice(2)}`;

function controlOf(name: FieldName, form: Form, { models, data }: Opened): Control {
  const { label, explains, range } = FIELDS[name];
  const otherwise = otherwiseOf(name, data?.validation ?? false);
  const value = textOf(name, form);
  const choices = name === "model" ? modelChoices(form.model, models) : CHOICES[name];
  const named = { title: explains, "aria-label": label, "aria-description": explains };
  let input: Control["input"];
  if (choices !== undefined) {
    const options = Object.entries(choices).map(([key, text]) => make("option", { value: key }, text));
    input = make("select", { class: "gpt-select", ...named }, ...options);
  } else if (name === "probes") {
    input = make("textarea", { class: "gpt-input", rows: 2, placeholder: otherwise, ...named });
  } else {
    const written = { inputmode: range === null ? "text" : "decimal", spellcheck: "false", autocomplete: "off" };
    const list = COLUMNS.includes(name) ? columnsId : null;
    input = make("input", { class: "gpt-input", type: "text", placeholder: otherwise, list, ...written, ...named });
  }
  input.value = value;
  const says = make("span", { class: "gpt-wrong", role: "alert" });
  const title = make("span", { class: "gpt-field-label" }, label);
  return { element: make("label", { class: "gpt-field", title: explains }, title, input, says), input, says };
}

/** The model that is chosen, and those that could be. */
function modelChoices(model: string, models: readonly string[]): Record<string, string> {
  return Object.fromEntries([...new Set([model, ...models])].map((each) => [each, visible(each)]));
}

function textOf(name: FieldName, form: Form): string {
  if (name === "probes") return form.probes.join("\n");
  const value = form[name];
  if (value === null) return "";
  return typeof value === "number" && Math.abs(value) < 1e-3 && value !== 0 ? compact(value) : String(value);
}

function valueOf(name: FieldName, text: string): Form[FieldName] {
  if (name === "probes") return text.split("\n").filter((line) => line.trim() !== "");
  if (FIELDS[name].range === null) return name === "text" || name === "prompt" || name === "completion" ? text : text.trim();
  const value = numberOf(text);
  const bad = value === null || Number.isNaN(value);
  return bad && name === "seed" ? 0 : bad ? null : value;
}
