/** What the charts are set with: smoothing, axes, what is drawn below, other jobs. */

import { Endings } from "../../lib/asking.ts";
import { button, make, set, told } from "../../lib/elements.ts";
import { menu } from "../../lib/menu.ts";
import { visible } from "../../lib/text.ts";
import { MOST_OTHERS } from "./curve-colors.ts";
import { MEASURE_NAMES, MEASURES } from "./measures.ts";
import type { State } from "./state.ts";
import type { Context } from "./view.ts";

/** The most that can be smoothed, and the steps of the slider. */
const SMOOTHEST = 0.99;

export interface Tools {
  element: HTMLElement;
  /** Closes a menu that is open; whether one was. */
  back(): boolean;
  destroy(): void;
}

export function curvesTools({ store, opened, living }: Context, all: () => void): Tools & { zoomed(zoomed: boolean): void } {
  const endings = new Endings();
  const bind = (keys: (keyof State)[], show: () => void): void => {
    endings.add(store.on(keys, show));
    show();
  };

  const range = { type: "range", class: "gpt-slider", min: 0, max: SMOOTHEST, step: 0.01 };
  const slider = make("input", { ...range, ...told("smooth the training loss", "s") });
  const amount = make("span", { class: "gpt-number gpt-amount" });
  endings.listen(slider, "input", () => store.set({ smoothing: Number(slider.value) }));
  bind(["smoothing"], () => {
    slider.value = String(store.get().smoothing);
    amount.textContent = store.get().smoothing.toFixed(2);
  });

  const log = button("log", {
    does: "a logarithmic axis for the loss",
    key: "l",
    class: "gpt-switch",
    press: () => store.set({ log_scale: !store.get().log_scale }),
  });
  bind(["log_scale"], () => set(log, { "aria-pressed": String(store.get().log_scale) }));

  const axes = (["step", "seconds"] as const).map((axis) => {
    const name = axis === "step" ? "by step" : "by time";
    return button(name, { does: `draw ${name}`, key: "t", press: () => store.set({ axis }) });
  });
  bind(["axis"], () => axes.forEach((each, at) => set(each, { "aria-pressed": String((at === 0) === (store.get().axis === "step")) })));

  const below = menu("below", "what is drawn below the loss", () =>
    MEASURE_NAMES.map((measure) => {
      const check = make("input", { type: "checkbox", checked: store.get().below.includes(measure) });
      check.addEventListener("change", () => {
        const chosen = MEASURE_NAMES.filter((each) => (each === measure ? check.checked : store.get().below.includes(each)));
        store.set({ below: chosen });
      });
      return make("label", { class: "gpt-menu-line" }, check, make("span", {}, MEASURES[measure].name));
    }),
  );

  // A saved page has the curves of those that were drawn.
  const { job, others: drawn } = store.get();
  const jobs = opened.jobs.filter(({ id }) => id !== job && (living || drawn.includes(id)));
  const others = menu("other jobs", "draw the losses of other jobs as well", () => {
    if (jobs.length === 0) {
      const why = living ? "There was no other job when the panel was opened." : "No other job was drawn when the page was saved.";
      return [make("p", { class: "gpt-explains" }, why)];
    }
    return jobs.map(({ id, name, model, state }) => {
      const check = make("input", { type: "checkbox", checked: store.get().others.includes(id) });
      check.addEventListener("change", () => {
        const rest = store.get().others.filter((each) => each !== id);
        store.set({ others: check.checked ? [...rest, id].slice(-MOST_OTHERS) : rest });
      });
      const about = make("span", { class: "gpt-faint-text" }, `${visible(model)}, ${state}`);
      return make("label", { class: "gpt-menu-line" }, check, make("span", {}, visible(name)), about);
    });
  });
  const whole = button("show all", { does: "show all steps", key: "0", press: all });
  whole.hidden = true;

  const element = make(
    "div",
    { class: "gpt-curves-tools" },
    make("label", { class: "gpt-label" }, make("span", {}, "smooth "), slider, amount),
    log,
    make("span", { class: "gpt-choice", role: "group", "aria-label": "x axis" }, ...axes),
    below.element,
    others.element,
    whole,
  );
  return {
    element,
    back: () => [below, others].map((each) => each.close()).includes(true),
    zoomed: (zoomed) => {
      whole.hidden = !zoomed;
    },
    destroy() {
      below.destroy();
      others.destroy();
      endings.end();
    },
  };
}
