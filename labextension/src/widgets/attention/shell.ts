/** The panel's frame: header, heads, middle, side and text; opening, errors, keys, and how it fits its cell. */

import { Endings, Latest } from "../../lib/asking.ts";
import { copy } from "../../lib/copying.ts";
import { button, make, set } from "../../lib/elements.ts";
import { Help } from "../../lib/help.ts";
import { press } from "../../lib/keys.ts";
import { codeOfError, isCancelled, messageOf, Notices, progressText } from "../../lib/notices.ts";
import { Store } from "../../lib/store.ts";
import { isDark, onThemeChange } from "../../lib/theme.ts";
import { fitting, stateActions, stepBack } from "./actions.ts";
import { partOf, sidesOf } from "./chosen.ts";
import { codeOf, firstCall } from "./code.ts";
import { NOTHING_TO_COMPARE } from "./diff.ts";
import { emptyState } from "./empty.ts";
import { Header } from "./header.ts";
import { headsView } from "./heads.ts";
import { type Actions, KEYS, WITHIN } from "./keys.ts";
import { middlePane, type Pane, sidePane } from "./panes.ts";
import { Saver } from "./saver.ts";
import { type SharedSource, sharedSource } from "./shared-source.ts";
import type { Opened, Source } from "./source.ts";
import type { State } from "./state.ts";
import { stripView } from "./strip.ts";
import type { Context, View } from "./view.ts";

const TABS = { heads: "heads", middle: "head", side: "token" } as const;
/** What a start mends: nobody there to ask, or an attention that was let go of. */
const STARTS = ["model_kernel_not_running", "model_kernel_stopping", "connection_lost", "attention_not_found"];
const MADE_AGAIN = "The model kernel had let go of this attention, so it was made again.";

export class Shell {
  readonly element: HTMLElement;
  #source: Source;
  #store: Store<State>;
  #header = new Header();
  #notices = new Notices();
  #help = new Help([...KEYS, ...WITHIN]);
  #body = make("div", { class: "gpt-body" });
  #foot = make("div", { class: "gpt-foot" });
  #tabs = make("div", { class: "gpt-choice gpt-tabs", role: "group", "aria-label": "panes" });
  #live = make("div", { class: "gpt-hidden", role: "status", "aria-live": "polite" });
  #endings = new Endings();
  #opening = new Latest();
  #starting = new Latest();
  #ofOpened = new Endings();
  #actions: Actions | null = null;
  #views: View[] = [];
  #chooses: boolean;

  /** `chooses`: whether to begin with the head that the panel found interesting. */
  constructor(source: Source, store: Store<State>, chooses: boolean) {
    this.#source = source;
    this.#store = store;
    this.#chooses = chooses;
    this.element = make(
      "div",
      { class: "gpt-panel gpt-attention", tabindex: -1, "data-lm-suppress-shortcuts": "true", "data-pane": "middle" },
      this.#header.element,
      this.#notices.element,
      this.#tabs,
      this.#body,
      this.#foot,
      this.#help.element,
      this.#live,
    );
    this.#tabs.hidden = true;
    this.#showTabs();
    this.#listen();
    this.#open();
  }

  /** Nobody answers now, or somebody does again: what is said to be under way is not, as far as anybody knows. */
  lose(lost: boolean): void {
    this.element.classList.toggle("gpt-silent", lost);
  }

  destroy(): void {
    this.#notices.clear();
    this.#opening.end();
    this.#starting.end();
    this.#ofOpened.end();
    this.#header.destroy();
    this.#endings.end();
    this.element.remove();
  }

  #listen(): void {
    const theme = (): void => {
      const dark = isDark();
      set(this.element, { "data-theme": dark ? "dark" : "light" });
    };
    theme();
    this.#endings.add(
      onThemeChange(theme),
      this.#source.onAgain?.(() => this.#notices.say("sign", MADE_AGAIN)) ?? (() => undefined),
      this.#store.on(Object.keys(this.#store.get()) as (keyof State)[], () => this.#notices.outdated()),
    );
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
      if (this.#actions !== null && press(event, KEYS, this.#actions)) event.preventDefault();
      // Nothing of it is for the notebook, which has keys of its own.
      event.stopPropagation();
      queueMicrotask(keep);
    });
    this.#endings.listen(this.element, "click", () => queueMicrotask(keep));
  }

  #showTabs(): void {
    const names = Object.keys(TABS) as (keyof typeof TABS)[];
    const buttons = names.map((name) =>
      button(TABS[name], { does: `show the pane: ${TABS[name]}`, press: () => this.#choosePane(name) }),
    );
    this.#tabs.replaceChildren(...buttons);
    this.#choosePane("middle");
  }

  /** Where there is room for one pane only, this one is shown. */
  #choosePane(chosen: keyof typeof TABS): void {
    this.element.dataset.pane = chosen;
    const names = Object.keys(TABS);
    [...this.#tabs.children].forEach((each, index) => set(each, { "aria-pressed": String(names[index] === chosen) }));
    for (const view of this.#views) view.resize?.();
  }

  /** Opens the panel, or opens it again; what was shown stays until the answer is there. */
  #open(): void {
    if (this.#actions === null) this.#header.opening("reading the text …");
    this.#opening.run(
      (signal) => this.#source.open({ signal }),
      (opened) => this.#show(opened),
      (error) => {
        if (this.#actions === null) this.#header.opening("");
        this.#failed(error);
      },
    );
  }

  /** Shows what was opened; a state that no view can show is said to be one. */
  #show(opened: Opened): void {
    try {
      this.#showOpened(opened);
    } catch (error) {
      this.#close();
      this.#header.opening("");
      const wrong = error instanceof TypeError;
      this.#failed(wrong ? new Error(`The panel's state cannot be shown (${error.message}): set it, and then try again.`) : error);
    }
  }

  #showOpened(opened: Opened): void {
    this.#close();
    if (this.#chooses) this.#store.set({ layer: opened.chosen.layer, head: opened.chosen.head });
    this.#chooses = false;
    const longest = Math.max(opened.info.tokens.length, opened.info.target_tokens.length);
    if (longest > 0 && opened.info.parts.length > 0) this.#store.set(fitting(this.#store.get(), opened));
    if (longest < 2) this.#showEmpty(longest);
    else this.#showViews(opened);
  }

  #showEmpty(count: number): void {
    this.#header.opening(count === 0 ? "no tokens" : "1 token");
    this.#foot.hidden = true;
    this.#body.replaceChildren(emptyState(count, (code) => this.#copy(code)));
  }

  #showViews(opened: Opened): void {
    const source = sharedSource(this.#source);
    const context = this.#context(opened, source);
    this.#ofOpened.add(() => this.#views.splice(0).forEach((view) => view.destroy()));
    // Each is there to be taken away as soon as it is made: the next one may fail.
    const kept = <Made extends View>(view: Made): Made => {
      this.#views.push(view);
      return view;
    };
    // The map first: what it asks for is what everybody waits for.
    const middle = kept(middlePane(context));
    const strip = kept(stripView(context));
    const side = kept(sidePane(context));
    const saver = this.#saver(strip, middle, side);
    this.#header.show(opened, this.#store, { copy: () => this.#copySeen(opened), help: () => this.#help.show(), saver: saver.element });
    this.#foot.hidden = this.#tabs.hidden = false;
    this.#foot.replaceChildren(strip.element);
    this.#actions = this.#actionsOf(opened, strip, saver);
    const heads = make("div", { class: "gpt-pane gpt-heads-pane" });
    this.#body.replaceChildren(heads, middle.element, side.element);
    strip.resize?.();
    middle.resize?.();
    this.#afterMap(source, () => {
      const view = kept(headsView(context));
      heads.replaceChildren(view.element);
      view.resize?.();
      strip.fill();
    });
    const observer = new ResizeObserver(() => strip.resize?.());
    observer.observe(this.element);
    this.#ofOpened.add(
      this.#store.on(["view"], () => this.#choosePane("middle")),
      this.#store.on(["side"], () => this.#store.get().side !== "" && this.#choosePane("side")),
      () => observer.disconnect(),
      () => saver.destroy(),
    );
  }

  /** Calls back when the chosen head's map has been painted, or what is shown instead of it. */
  #afterMap(source: SharedSource, callback: () => void): void {
    let [frame, ended] = [0, false];
    const next = (does: () => void): void => {
      if (!ended) frame = requestAnimationFrame(does);
    };
    // It is drawn in the frame that comes next, and on the screen in the one after it.
    void source.settled().then(() => next(() => next(callback)));
    this.#ofOpened.add(() => {
      ended = true;
      cancelAnimationFrame(frame);
    });
  }

  #close(): void {
    this.#ofOpened.end();
    this.#actions = null;
    this.#tabs.hidden = true;
    this.#body.replaceChildren();
    this.#foot.replaceChildren();
  }

  #context(opened: Opened, source: Source): Context {
    return {
      store: this.#store,
      source,
      opened,
      dark: isDark,
      onTheme: onThemeChange,
      announce: (text) => (this.#live.textContent = text),
      failed: (error) => this.#failed(error),
      hover: new Store<{ query: number | null; key: number | null }>({ query: null, key: null }),
      made: new Store<{ token: number | null }>({ token: null }),
    };
  }

  #actionsOf(opened: Opened, strip: { find(): void }, saver: Saver): Actions {
    const ofState = stateActions(this.#store, opened);
    return {
      ...ofState,
      side: (name) => (name === "diff" && opened.other === null ? this.#notices.say("sign", NOTHING_TO_COMPARE) : ofState.side(name)),
      find: () => strip.find(),
      copy: () => this.#copySeen(opened),
      save: () => saver.open(),
      projector: () => this.#project(),
      help: () => (this.#help.shown ? this.#help.hide() : this.#help.show()),
      back: () => this.#back(saver),
    };
  }

  #back(saver: Saver): void {
    if (this.#help.shown) return this.#help.hide();
    if (saver.close()) return;
    if (this.element.classList.contains("gpt-projector")) return this.#project();
    if (stepBack(this.#store)) return;
    // Nothing is left to go back from: the notebook has the keys again.
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    this.element.parentElement?.closest<HTMLElement>("[tabindex]")?.focus({ preventScroll: true });
  }

  #project(): void {
    this.element.classList.toggle("gpt-projector");
    for (const view of this.#views) view.resize?.();
  }

  #saver(strip: View, middle: Pane, side: Pane): Saver {
    const file = (what: string) => (): string => {
      const { layer, head } = this.#store.get();
      return `attention-${what}-layer-${layer}-head-${head}`;
    };
    const saved = [
      { name: "the head", file: file("head"), view: () => middle.shown() },
      { name: "the text", file: file("text"), view: () => strip },
      { name: "the token", file: file("token"), view: () => side.shown() },
    ];
    return new Saver(saved, (error) => this.#failed(error));
  }

  #copySeen({ info }: Opened): void {
    const state = this.#store.get();
    this.#copy(codeOf(state, sidesOf(info, partOf(info, state.part).name), info.parts.length));
  }

  #copy(code: string): void {
    copy(code, this.#notices, firstCall(code));
  }

  #failed(error: unknown): void {
    if (isCancelled(error)) return;
    const text = messageOf(error);
    const code = codeOfError(error);
    if (this.#source.start === undefined || !STARTS.includes(code)) {
      const again = { text: "try again", does: "open the panel again", press: () => this.#again() };
      this.#notices.say(code === "not_saved" ? "missing" : "error", text, this.#actions === null && code !== "not_saved" ? again : null);
      return;
    }
    // What was let go of is made again without a question: it only takes a moment.
    if (code === "attention_not_found") this.#start(MADE_AGAIN);
    else {
      const press = (): void => this.#start("The model kernel was started.");
      this.#notices.say("error", text, { text: "start", does: "start a model kernel", press });
    }
  }

  #start(done: string): void {
    const start = this.#source.start?.bind(this.#source);
    if (start === undefined) return;
    this.#notices.say("progress", "starting …");
    this.#starting.run(
      (signal) => start((progress) => this.#notices.say("progress", progressText(progress)), { signal }),
      () => {
        this.#notices.say("sign", done);
        this.#open();
      },
      (error) => {
        const again = { text: "try again", does: "start a model kernel", press: () => this.#start(done) };
        this.#notices.say("error", messageOf(error), again);
      },
    );
  }

  #again(): void {
    this.#notices.clear();
    this.#open();
  }
}
