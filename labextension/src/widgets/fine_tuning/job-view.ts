/** A job: its line on top, and below it curves, probes, checkpoints and log, which follow what becomes of it. */

import { Endings } from "../../lib/asking.ts";
import { button, make, set } from "../../lib/elements.ts";
import { checkpointsView } from "./checkpoints.ts";
import { curvesView } from "./curves.ts";
import { Following } from "./following.ts";
import { Header } from "./header.ts";
import { History } from "./history.ts";
import type { Actions } from "./keys.ts";
import { COMMAND_WORDS, stateWords } from "./log-words.ts";
import { logView } from "./log.ts";
import { probesView } from "./probes.ts";
import type { State } from "./state.ts";
import { Steering } from "./steering.ts";
import type { Context, View } from "./view.ts";

const TABS: readonly State["tab"][] = ["curves", "probes", "checkpoints", "log"];
/** What the key for smoothing goes through. */
const SMOOTHINGS = [0, 0.6, 0.9, 0.97];

export interface JobView {
  elements: HTMLElement[];
  actions: Omit<Actions, "projector" | "help" | "back">;
  /** Closes what is open; whether something was. */
  back(): boolean;
  /** The connection was lost and is there again. */
  again(): void;
  resize(): void;
  destroy(): void;
}

export function jobView(shared: Omit<Context, "history" | "refresh">, job: string, help: () => void, startKernel: () => void): JobView {
  const endings = new Endings();
  const history = new History();
  const { store, source, notices, announce, failed, living } = shared;
  const context: Context = { ...shared, history, refresh: () => following.again() };
  const steering = new Steering(source, history, {
    changed: () => later(),
    written: () => following.ask(),
    failed,
    late: (text) => notices.say("error", text),
    obeyed: (command) => announce(`done: ${COMMAND_WORDS[command].name}`),
  });
  const header = new Header(context, steering, help);
  const sign = make("div", { class: "gpt-notice gpt-unreachable", role: "status", hidden: true });
  const curves = curvesView(context);
  const probes = probesView(context);
  const checkpoints = checkpointsView(context);
  const log = logView(context);
  const views: View[] = [curves, probes, checkpoints, log];
  const tabs = make("div", { class: "gpt-choice gpt-tabs", role: "group", "aria-label": "parts" });
  tabs.append(...TABS.map((tab, at) => button(tab, { does: `show ${tab}`, key: String(at + 1), press: () => store.set({ tab }) })));
  const body = make(
    "div",
    { class: "gpt-job-body" },
    make("div", { class: "gpt-column" }, curves.element, log.element),
    make("div", { class: "gpt-column" }, probes.element, checkpoints.element),
    checkpoints.maps,
  );
  let frame = 0;
  let state = "";

  const following = new Following(source, job, history, { changed: () => later(), failed });

  /** Shows what is new in the next frame, of which a hidden page has none. */
  function later(): void {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      show();
    });
  }

  function show(): void {
    const { info } = history;
    if (info === null) return;
    steering.update();
    header.update();
    showSign();
    for (const view of views) view.update();
    const now = stateWords(info.state, info.reason);
    if (state !== now && state !== "") announce(`${info.name} is ${now}`);
    state = now;
  }

  function showSign(): void {
    const text = history.gone ?? (history.reachable || !living ? "" : "No model kernel answers. What is shown is what the job has written down.");
    sign.hidden = text === "";
    set(sign, { "data-kind": history.gone === null ? "sign-stays" : "error" });
    if (sign.firstChild?.textContent === text) return;
    sign.replaceChildren(make("span", {}, text));
    if (living && history.gone === null) sign.append(button("start", { does: "start a model kernel", class: "gpt-primary", press: startKernel }));
  }

  function showTab(): void {
    const { tab } = store.get();
    body.dataset.tab = tab;
    [...tabs.children].forEach((each, at) => set(each, { "aria-pressed": String(TABS[at] === tab) }));
    for (const view of views) view.resize?.();
  }

  endings.add(store.on(["tab"], showTab));
  showTab();
  following.ask();
  return {
    elements: [header.element, header.progress, sign, tabs, body],
    actions: {
      tab(tab) {
        store.set({ tab });
        const part = views[TABS.indexOf(tab)]?.element;
        (part?.querySelector<HTMLElement>("[tabindex='0'], input, textarea, button") ?? part)?.focus();
      },
      pause: () => header.pause(),
      stop: () => header.stop(),
      change: () => header.change(),
      cancel: () => header.cancel(),
      use: () => header.use(),
      smooth() {
        const { smoothing } = store.get();
        store.set({ smoothing: SMOOTHINGS.find((each) => each > smoothing) ?? 0 });
      },
      log: () => store.set({ log_scale: !store.get().log_scale }),
      axis: () => store.set({ axis: store.get().axis === "step" ? "seconds" : "step" }),
      all: () => curves.all(),
      probe: (by) => probes.step(by),
      diff: () => store.set({ probe_diff: !store.get().probe_diff }),
      try() {
        store.set({ tab: "checkpoints" });
        checkpoints.trying.open();
      },
    },
    back: () => header.back() || checkpoints.back() || curves.back(),
    again: () => following.again(),
    resize: () => views.forEach((view) => view.resize?.()),
    destroy() {
      cancelAnimationFrame(frame);
      following.end();
      steering.end();
      header.destroy();
      for (const view of views) view.destroy();
      endings.end();
    },
  };
}
