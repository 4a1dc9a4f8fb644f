/** The panel's frame: opening, the form or the job, errors, keys. */

import { Endings, Latest } from "../../lib/asking.ts";
import { copy } from "../../lib/copying.ts";
import { button, make, set } from "../../lib/elements.ts";
import { Help } from "../../lib/help.ts";
import { press } from "../../lib/keys.ts";
import { codeOfError, isCancelled, messageOf, Notices, progressText } from "../../lib/notices.ts";
import { counted } from "../../lib/numbers.ts";
import type { Store } from "../../lib/store.ts";
import { visible } from "../../lib/text.ts";
import { isDark, onThemeChange } from "../../lib/theme.ts";
import { emptyState } from "./empty.ts";
import { formView } from "./form.ts";
import { type JobView, jobView } from "./job-view.ts";
import { type Actions, KEYS, WITHIN } from "./keys.ts";
import type { Opened, Source } from "./source.ts";
import type { State } from "./state.ts";
import type { Context } from "./view.ts";

/** What a start mends: nobody there to ask. */
const STARTS = ["model_kernel_not_running", "model_kernel_stopping", "connection_lost"];

export class Shell {
  readonly element: HTMLElement;
  #source: Source;
  #store: Store<State>;
  #notices = new Notices();
  #help = new Help([...KEYS, ...WITHIN]);
  #content = make("div", { class: "gpt-content" });
  #live = make("div", { class: "gpt-hidden", role: "status", "aria-live": "polite" });
  #endings = new Endings();
  #ofContent = new Endings();
  #opening = new Latest();
  #starting = new Latest();
  #job: JobView | null = null;
  #again: () => void = () => undefined;

  constructor(source: Source, store: Store<State>) {
    this.#source = source;
    this.#store = store;
    this.element = make(
      "div",
      { class: "gpt-panel gpt-fine-tuning", tabindex: -1, "data-lm-suppress-shortcuts": "true" },
      this.#notices.element,
      this.#content,
      this.#help.element,
      this.#live,
    );
    this.#listen();
    this.#open();
  }

  /** Nobody answers now, or somebody does again, who is then asked for what has happened meanwhile. */
  lose(lost: boolean): void {
    this.element.classList.toggle("gpt-silent", lost);
    if (!lost) this.#job?.again();
  }

  destroy(): void {
    this.#notices.clear();
    this.#opening.end();
    this.#starting.end();
    this.#ofContent.end();
    this.#endings.end();
    this.element.remove();
  }

  #listen(): void {
    const theme = (): void => set(this.element, { "data-theme": isDark() ? "dark" : "light" });
    theme();
    // A job begins, here or in another view of the panel.
    this.#endings.add(onThemeChange(theme), this.#store.on(["job"], () => this.#open()));
    // What had the focus may be gone after a click or a key; the panel keeps it, so that the next key is its own too.
    const keep = (): void => {
      if (document.activeElement === document.body) this.element.focus({ preventScroll: true });
    };
    const unlessHelp = (event: KeyboardEvent): void => {
      if (!this.#help.keeps(event)) return;
      event.preventDefault();
      event.stopPropagation();
    };
    this.#endings.listen(this.element, "keydown", unlessHelp, { capture: true });
    this.#endings.listen(this.element, "keydown", (event) => {
      if (press(event, KEYS, this.#actions())) event.preventDefault();
      // Nothing of it is for the notebook, which has keys of its own.
      event.stopPropagation();
      queueMicrotask(keep);
    });
    this.#endings.listen(this.element, "click", () => queueMicrotask(keep));
  }

  /** Opens the panel, or opens it again; what was shown stays until the answer is there. */
  #open(): void {
    if (!this.#content.hasChildNodes()) this.#content.append(header("opening …", null));
    this.#opening.run(
      (signal) => this.#source.open({ signal }),
      (opened) => this.#show(opened),
      (error) => this.#failed(error, () => this.#open()),
    );
  }

  #show(opened: Opened): void {
    this.#ofContent.end();
    const { job, form } = this.#store.get();
    if (job !== null) return this.#showJob(opened, job);
    const help = (): void => this.#help.show();
    if (opened.data === null || (form ?? opened.form) === null) {
      this.#content.replaceChildren(header("", help), emptyState((code) => this.#copy(code)));
      return;
    }
    const view = formView(this.#shared(opened), (id) => this.#store.set({ job: id }));
    this.#again = () => view.again();
    this.#ofContent.add(() => view.destroy());
    const { description, rows } = opened.data;
    const count = rows === null ? "" : ` · ${counted(rows, "row")}`;
    this.#content.replaceChildren(header(visible(description) + count, help), view.element);
  }

  #showJob(opened: Opened, job: string): void {
    const view = jobView(this.#shared(opened), job, () => this.#help.show(), () => this.#start());
    this.#job = view;
    this.#again = () => view.again();
    this.#ofContent.add(() => {
      this.#job = null;
      view.destroy();
    });
    this.#content.replaceChildren(...view.elements);
    view.resize();
  }

  #shared(opened: Opened): Omit<Context, "history" | "refresh"> {
    return {
      store: this.#store,
      source: this.#source,
      opened,
      notices: this.#notices,
      living: this.#source.start !== undefined,
      dark: isDark,
      onTheme: onThemeChange,
      announce: (text) => (this.#live.textContent = text),
      failed: (error) => this.#failed(error),
      copy: (code) => this.#copy(code),
    };
  }

  #actions(): Actions {
    const nothing = (): void => undefined;
    const ofJob = this.#job?.actions ?? {
      tab: nothing, pause: nothing, stop: nothing, change: nothing, cancel: nothing, use: nothing, smooth: nothing,
      log: nothing, axis: nothing, all: nothing, probe: nothing, diff: nothing, try: nothing,
    };
    return {
      ...ofJob,
      projector: () => this.#project(),
      help: () => (this.#help.shown ? this.#help.hide() : this.#help.show()),
      back: () => this.#back(),
    };
  }

  #back(): void {
    if (this.#help.shown) return this.#help.hide();
    const writing = document.activeElement?.matches("input, textarea, select") ?? false;
    if (this.#job?.back()) return;
    if (writing) return this.element.focus({ preventScroll: true });
    if (this.element.classList.contains("gpt-projector")) return this.#project();
    // Nothing is left to go back from: the notebook has the keys again.
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    this.element.parentElement?.closest<HTMLElement>("[tabindex]")?.focus({ preventScroll: true });
  }

  #project(): void {
    this.element.classList.toggle("gpt-projector");
    this.#job?.resize();
  }

  #copy(code: string): void {
    copy(code, this.#notices, code.split("\n")[0] ?? "");
  }

  #failed(error: unknown, again: (() => void) | null = null): void {
    if (isCancelled(error)) return;
    const text = messageOf(error);
    const code = codeOfError(error);
    if (this.#source.start !== undefined && STARTS.includes(code)) {
      return this.#notices.say("error", text, { text: "start", does: "start a model kernel", press: () => this.#start() });
    }
    const action = again === null ? null : { text: "try again", does: "ask again", press: () => (this.#notices.clear(), again()) };
    this.#notices.say(code === "not_saved" ? "missing" : "error", text, action);
  }

  #start(): void {
    const start = this.#source.start?.bind(this.#source);
    if (start === undefined) return;
    this.#notices.say("progress", "starting …");
    this.#starting.run(
      (signal) => start((progress) => this.#notices.say("progress", progressText(progress)), { signal }),
      () => {
        this.#notices.say("sign", "The model kernel was started.");
        this.#again();
      },
      (error) => this.#failed(error, () => this.#start()),
    );
  }
}

/** The line on top before there is a job. */
function header(says: string, help: (() => void) | null): HTMLElement {
  return make(
    "header",
    { class: "gpt-header" },
    make("span", { class: "gpt-name" }, make("b", {}, "Fine-tune")),
    make("span", {}, says),
    make("span", { class: "gpt-space" }),
    help === null ? null : button("?", { does: "list the keys", key: "?", press: help }),
  );
}
