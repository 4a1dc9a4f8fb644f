/** The middle pane (map, lines or steps) and the side pane (the chosen token; lens, ablate or diff). */

import { Endings } from "../../lib/asking.ts";
import { button, make, set } from "../../lib/elements.ts";
import { ablateView } from "./ablate.ts";
import { cardView } from "./card.ts";
import { diffView } from "./diff.ts";
import { eachHeadView } from "./each-head.ts";
import { lensView } from "./lens.ts";
import { linesView } from "./lines.ts";
import { matrixView } from "./matrix.ts";
import type { State } from "./state.ts";
import { stepsView } from "./steps.ts";
import type { Context, MakeView, View } from "./view.ts";

const MIDDLE: Record<State["view"], MakeView> = { matrix: matrixView, lines: linesView, steps: stepsView };
const SIDES: Record<Exclude<State["side"], "">, MakeView> = { lens: lensView, ablate: ablateView, diff: diffView };

export interface Pane extends View {
  /** The view in it, to keep a picture of. */
  shown(): View | null;
}

export function middlePane(context: Context): Pane {
  const element = make("div", { class: "gpt-pane gpt-middle" });
  const endings = new Endings();
  let view: View | null = null;
  /** The map keeps its place and its tiles while another view is shown. */
  let map: View | null = null;

  const show = (): void => {
    const name = context.store.get().view;
    if (view !== null && view !== map) view.destroy();
    if (name === "matrix") map ??= MIDDLE.matrix(context);
    view = name === "matrix" ? map! : MIDDLE[name](context);
    element.replaceChildren(view.element);
    view.resize?.();
  };
  endings.add(context.store.on(["view"], show));
  show();
  return {
    element,
    shown: () => view,
    resize: () => view?.resize?.(),
    destroy() {
      endings.end();
      if (view !== map) view?.destroy();
      map?.destroy();
    },
  };
}

export function sidePane(context: Context): Pane {
  const { store, opened } = context;
  const endings = new Endings();
  const card = cardView(context);
  const each = eachHeadView(context);
  const names = (Object.keys(SIDES) as (keyof typeof SIDES)[]).filter((name) => name !== "diff" || opened.other !== null);
  const keys = { lens: "4", ablate: "5", diff: "6" };
  const does = {
    lens: "what the model would say after each layer",
    ablate: "what changes when heads are switched off",
    diff: "which heads moved",
  };
  const buttons = names.map((name) =>
    button(name, { does: does[name], key: keys[name], press: () => store.set({ side: store.get().side === name ? "" : name }) }),
  );
  const more = make("div", { class: "gpt-side-more" });
  const choice = make("span", { class: "gpt-choice", role: "group", "aria-label": "about it" }, ...buttons);
  const element = make(
    "aside",
    { class: "gpt-pane gpt-side", "aria-label": "the chosen token" },
    make("div", { class: "gpt-side-part" }, card.element, each.element),
    make("div", { class: "gpt-side-part" }, choice, more),
  );
  let view: View | null = null;

  const show = (): void => {
    const { side } = store.get();
    view?.destroy();
    view = side === "" ? null : SIDES[side](context);
    more.replaceChildren(...(view === null ? [] : [view.element]));
    buttons.forEach((each, index) => set(each, { "aria-pressed": String(names[index] === side) }));
  };
  endings.add(store.on(["side"], show));
  show();
  return {
    element,
    shown: () => ({ element, destroy: () => undefined }),
    resize: () => view?.resize?.(),
    destroy() {
      endings.end();
      view?.destroy();
      card.destroy();
      each.destroy();
    },
  };
}
