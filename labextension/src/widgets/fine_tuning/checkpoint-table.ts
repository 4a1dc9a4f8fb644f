/** The list of checkpoints: a row each, the base first; rows that stay the same stay where they are. */

import { byteSize } from "../../lib/byte-sizes.ts";
import { make } from "../../lib/elements.ts";
import { grouped } from "../../lib/numbers.ts";
import type { CheckpointInfo } from "../../protocol.ts";
import { lossText } from "./measures.ts";
import { stepName } from "./model-strings.ts";

export interface CheckpointTable {
  element: HTMLElement;
  show(checkpoints: readonly CheckpointInfo[], best: number | undefined, chosen: readonly number[]): void;
}

/** Pixels from its end that still count as being there. */
const NEAR = 24;
const MARKS = {
  best: "no other has a lower validation loss",
  resumable: "training can go on from here exactly",
};

/** `choose` gets a step, and whether it alone is meant, or to be added or taken away. */
export function checkpointTable(choose: (step: number, alone: boolean) => void, living: boolean): CheckpointTable {
  const body = make("tbody");
  const names = ["", "step", "loss", "size", ""];
  const headings = names.map((name) => make("th", { scope: "col", class: name === "" ? "" : "gpt-number gpt-faint-text" }, name));
  const head = make("tr", {}, ...headings);
  const table = make("table", { class: "gpt-table gpt-checkpoint-table" }, make("thead", {}, head), body);
  const element = make("div", { class: "gpt-checkpoint-list" }, table);
  const rows = new Map<string, HTMLElement>();

  const rowOf = (step: number, checkpoint: CheckpointInfo | null, isBest: boolean): HTMLElement => {
    const says = { "aria-label": `choose ${stepName(step)}`, title: "choose it beside others" };
    const check = make("input", { type: "checkbox", ...says, hidden: !living });
    check.addEventListener("change", () => choose(step, false));
    const kept = checkpoint?.can_resume ?? false;
    const marks = (["best", "resumable"] as const).filter((mark) => (mark === "best" ? isBest : kept));
    const marked = marks.map((mark) => make("span", { class: `gpt-mark gpt-mark-${mark}`, title: MARKS[mark] }, mark));
    const row = make(
      "tr",
      { class: living ? "gpt-clicks" : "" },
      make("td", {}, check),
      make("th", { scope: "row", class: "gpt-number" }, step === 0 ? "base" : grouped(step)),
      make("td", { class: "gpt-number" }, checkpoint === null ? "" : lossText(checkpoint.loss)),
      make("td", { class: "gpt-number" }, checkpoint === null ? "" : byteSize(checkpoint.bytes)),
      make("td", { class: "gpt-checkpoint-marks" }, ...marked),
    );
    row.addEventListener("click", (event) => {
      if (living && event.target !== check) choose(step, !(event.ctrlKey || event.metaKey || event.shiftKey));
    });
    row.dataset.step = String(step);
    return row;
  };

  return {
    element,
    show(checkpoints, best, chosen) {
      const wanted = new Map<string, () => HTMLElement>();
      if (living) wanted.set("base", () => rowOf(0, null, false));
      for (const each of checkpoints) {
        const isBest = each.step === best;
        wanted.set(JSON.stringify([each, isBest]), () => rowOf(each.step, each, isBest));
      }
      const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      let changed = false;
      for (const [key, row] of rows) {
        if (wanted.has(key)) continue;
        row.remove();
        rows.delete(key);
      }
      let at = 0;
      for (const [key, makeRow] of wanted) {
        let row = rows.get(key);
        if (row === undefined) {
          row = makeRow();
          rows.set(key, row);
          changed = true;
        }
        if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
        at++;
        if (living) mark(row, chosen);
      }
      if (changed && atEnd) element.scrollTop = element.scrollHeight;
    },
  };
}

function mark(row: HTMLElement, chosen: readonly number[]): void {
  const now = chosen.includes(Number(row.dataset.step));
  row.setAttribute("aria-selected", String(now));
  const check = row.querySelector("input");
  if (check !== null) check.checked = now;
}
