/** The checkpoints: which there are, which are chosen, and what can be done with them. */

import { button, make, set } from "../../lib/elements.ts";
import { counted } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import { checkpointTable } from "./checkpoint-table.ts";
import { exportForm } from "./exporting.ts";
import { noCheckpointsWords } from "./log-words.ts";
import { actedOn, bestStep, chosenSteps, stepName } from "./model-strings.ts";
import { movedHeads } from "./moved.ts";
import { MOST_TRIED, type TryingView, tryingView } from "./trying.ts";
import type { Context, View } from "./view.ts";

/** Of very many checkpoints the newest ones are listed, and the best. */
const LISTED = 100;
const SOME_TEXT = "Once upon a time";

export interface CheckpointsView extends View {
  trying: TryingView;
  /** Attention maps, which have the whole width of the panel. */
  maps: HTMLElement;
  /** Closes what is shown below the list; whether something was open. */
  back(): boolean;
}

export function checkpointsView(context: Context): CheckpointsView {
  const { history, living, notices, source, failed, store } = context;
  const trying = tryingView(context);
  const table = checkpointTable((step, alone) => choose(step, alone), living);
  const none = make("p", { class: "gpt-explains" });
  const earlier = make("p", { class: "gpt-explains", hidden: true });
  const more = make("div", { class: "gpt-more", hidden: true });
  const maps = make("section", { class: "gpt-part gpt-maps", "aria-label": "attention maps" });
  let shown: AbortController | null = null;
  /** The checkpoint that was chosen last; the base is none. */
  let newest = 0;

  const chosen = (): number[] => (history.info === null ? [] : chosenSteps(history.info, store.get().trying));
  /** The one that is exported, deleted or looked into; 0 where there is none. */
  const one = (): number => actedOn(chosen(), newest);

  function choose(step: number, alone: boolean): void {
    const now = chosen();
    const next = alone ? [step] : now.includes(step) ? now.filter((each) => each !== step) : [...now, step];
    if (step > 0 && next.includes(step)) newest = step;
    store.set({ trying: next.slice(-MOST_TRIED).sort((first, second) => first - second) });
  }

  const close = (): boolean => {
    const open = !more.hidden;
    shown?.abort();
    shown = null;
    more.hidden = true;
    more.replaceChildren();
    return open;
  };

  /** Shows something below the list instead of what was there. */
  const show = (title: string, fill: (signal: AbortSignal) => HTMLElement): void => {
    close();
    const showing = new AbortController();
    shown = showing;
    more.hidden = false;
    const shut = button("×", { does: "close", key: "Escape", class: "gpt-close", press: () => void close() });
    more.replaceChildren(make("div", { class: "gpt-pane-title" }, title, shut), fill(showing.signal));
    (more.querySelector<HTMLElement>("input") ?? shut).focus({ preventScroll: true });
  };

  const askToDelete = (): void => {
    const step = one();
    show(`Delete ${stepName(step)}?`, (signal) => {
      const remove = (): void => {
        source.remove({ step }, { signal }).then(() => {
          notices.say("sign", `${stepName(step)} was deleted`);
          close();
          context.refresh();
        }, failed);
      };
      return make(
        "div",
        { class: "gpt-part-tools" },
        make("span", {}, "Its weights are gone then, and nothing brings them back."),
        button("keep", { does: "keep it", press: () => void close() }),
        button("delete", { does: `delete the checkpoint of step ${step}`, class: "gpt-danger", press: remove }),
      );
    });
  };

  const text = (): string => store.get().try_prompt || history.info?.options.probes[0] || SOME_TEXT;
  const actions = [
    button("compare with base", { does: "let the chosen one and the base go on from the same prompt", press: () => trying.compare(one()) }),
    button("heads moved", {
      does: "how far each head’s attention is from the base’s",
      press: () => {
        const question = { step: one(), text: text() };
        show(`heads that moved by ${stepName(one())}`, (signal) => movedHeads(context, question, maps, signal));
      },
    }),
    button("export", {
      does: "write it for other programs",
      press: () => {
        const [{ info }, step] = [history, one()];
        if (info !== null) show(`export ${stepName(step)}`, (signal) => exportForm(context, info, step, signal));
      },
    }),
    button("delete", { does: "delete it; asks first", press: askToDelete }),
  ];
  const tools = make("div", { class: "gpt-part-tools gpt-checkpoint-tools" }, ...actions);
  const element = make(
    "section",
    { class: "gpt-part gpt-checkpoints", "aria-label": "checkpoints" },
    make("h4", { class: "gpt-part-title" }, "checkpoints"),
    earlier,
    table.element,
    none,
    tools,
    more,
    trying.element,
  );

  const update = (): void => {
    trying.update();
    const { info } = history;
    const checkpoints = info?.checkpoints ?? [];
    table.element.hidden = checkpoints.length === 0;
    tools.hidden = !living || checkpoints.length === 0;
    none.hidden = checkpoints.length > 0 || info === null;
    if (info === null) return;
    none.textContent = noCheckpointsWords({ info, marks: history.marks, gone: history.gone }, living);
    const best = bestStep(info);
    const listed = checkpoints.filter((each, at) => each.step === best || at >= checkpoints.length - LISTED);
    earlier.hidden = listed.length === checkpoints.length;
    const left = counted(checkpoints.length - listed.length, "earlier one is", "earlier ones are");
    earlier.textContent = `${left} not listed: model="${visible(info.result ?? info.name)}:STEP" is one of them`;
    table.show(listed, best, chosen());
    for (const each of actions) each.disabled = one() === 0;
    set(tools, { "aria-label": `with ${stepName(one())}` });
  };
  const off = store.on(["trying"], update);
  return {
    element,
    trying,
    maps,
    update,
    back: close,
    destroy() {
      off();
      close();
      trying.destroy();
    },
  };
}
