/** The panel's first line: what is shown of what, and how. */

import { Endings } from "../../lib/asking.ts";
import { button, make, set, told } from "../../lib/elements.ts";
import { counted, grouped } from "../../lib/numbers.ts";
import type { Store } from "../../lib/store.ts";
import { visible } from "../../lib/text.ts";
import { type Part, SCORE_KINDS, type ScoreKind } from "../../protocol.ts";
import { fitting } from "./actions.ts";
import { modelName } from "./chosen.ts";
import type { Opened } from "./source.ts";
import type { State } from "./state.ts";

export const SCORE_NAMES: Record<ScoreKind, string> = {
  "previous-token": "previous token",
  induction: "induction",
  sink: "first token",
  entropy: "entropy",
  distance: "distance",
  "from-to": "from … to …",
};
const VIEWS = { matrix: "map", lines: "lines", steps: "steps" } as const;

export interface HeaderActions {
  copy(): void;
  help(): void;
  saver: HTMLElement;
}

export class Header {
  readonly element = make("header", { class: "gpt-header" }, make("b", {}, "Attention"));
  #endings = new Endings();

  /** Before anything is known. */
  opening(text: string): void {
    this.#end();
    this.element.replaceChildren(make("b", {}, "Attention"), make("span", { class: "gpt-faint-text" }, text));
  }

  show(opened: Opened, store: Store<State>, actions: HeaderActions): void {
    this.#end();
    const copy = button("copy", { does: "copy what is seen as NumPy code", key: "y", press: () => actions.copy() });
    copy.append(make("span", { class: "gpt-roomy" }, " code"));
    const help = button("?", { does: "list the keys", key: "?", press: () => actions.help() });
    this.element.replaceChildren(
      make("span", { class: "gpt-name", title: models(opened) }, make("b", {}, "Attention"), ` ${sizes(opened)}`),
      ...this.#part(opened, store),
      make("span", { class: "gpt-space" }),
      ...this.#score(store),
      this.#switch(store, "hide_sink", "hide sink", "hide the first token, where heads attend that have nothing to say", "s"),
      this.#switch(store, "log", "log", "logarithmic colours", "l"),
      make("span", { class: "gpt-together" }, this.#views(store), copy, actions.saver, help),
    );
  }

  destroy(): void {
    this.#end();
  }

  #end(): void {
    this.#endings.end();
  }

  #part(opened: Opened, store: Store<State>): HTMLElement[] {
    const { info } = opened;
    if (info.parts.length < 2) return [];
    const names = { decoder: "target to target", encoder: "text to text", cross: "target to text" };
    const select = make("select", { class: "gpt-select", ...told("which attention of the model") });
    select.append(...info.parts.map(({ name }) => make("option", { value: name }, names[name])));
    this.#bind(select, store, "part", (part) => {
      // All at once: positions of one side mean nothing on another, and a layer may not be there.
      const next = { ...store.get(), part: part as Part, query: null, key: null };
      store.set({ ...next, ...fitting(next, opened) });
    });
    return [select];
  }

  #score(store: Store<State>): HTMLElement[] {
    const select = make("select", { class: "gpt-select", ...told("the score that heads are sorted by", "r") });
    select.append(...SCORE_KINDS.map((kind) => make("option", { value: kind }, SCORE_NAMES[kind])));
    this.#bind(select, store, "score", (score) => store.set({ score: score as ScoreKind }));
    const ends = make("span", { class: "gpt-ends" });
    for (const name of ["from", "to"] as const) {
      const names = { class: "gpt-input", type: "text", size: 6, placeholder: name, ...told(`the word that is attended ${name}`) };
      const input = make("input", { ...names, value: store.get()[name] });
      this.#endings.listen(input, "change", () => store.set({ [name]: input.value }));
      this.#endings.add(store.on([name], () => (input.value = store.get()[name])));
      ends.append(input);
    }
    const show = (): void => {
      ends.hidden = store.get().score !== "from-to";
    };
    this.#endings.add(store.on(["score"], show));
    show();
    return [make("label", { class: "gpt-label" }, make("span", {}, "sort by "), select), ends];
  }

  #bind(select: HTMLSelectElement, store: Store<State>, name: "part" | "score", choose: (value: string) => void): void {
    const show = (): void => {
      select.value = store.get()[name];
    };
    this.#endings.listen(select, "change", () => choose(select.value));
    this.#endings.add(store.on([name], show));
    show();
  }

  #switch(store: Store<State>, name: "hide_sink" | "log", text: string, does: string, key: string): HTMLElement {
    const element = button(text, { does, key, class: "gpt-switch", press: () => store.set({ [name]: !store.get()[name] }) });
    const show = (): void => set(element, { "aria-pressed": String(store.get()[name]) });
    this.#endings.add(store.on([name], show));
    show();
    return element;
  }

  #views(store: Store<State>): HTMLElement {
    const names = Object.keys(VIEWS) as (keyof typeof VIEWS)[];
    const buttons = names.map((view, index) =>
      button(VIEWS[view], { does: `show the head as ${VIEWS[view]}`, key: String(index + 1), press: () => store.set({ view }) }),
    );
    const show = (): void =>
      buttons.forEach((each, index) => set(each, { "aria-pressed": String(names[index] === store.get().view) }));
    this.#endings.add(store.on(["view"], show));
    show();
    return make("span", { class: "gpt-choice", role: "group", "aria-label": "view" }, ...buttons);
  }
}

/** The models' whole names. */
function models({ info, other }: Opened): string {
  return visible(other === null || other.model === info.model ? info.model : `${info.model}, beside ${other.model}`);
}

function sizes({ info, other }: Opened): string {
  const tokens = (count: number): string => counted(count, "token");
  const target = info.target_tokens.length > 0 ? ` and ${grouped(info.target_tokens.length)} of the target` : "";
  const beside = other === null ? "" : `, beside ${other.model === info.model ? `another of ${tokens(other.tokens.length)}` : modelName(other)}`;
  return `${modelName(info)} · ${tokens(info.tokens.length)}${target}${beside}`;
}
