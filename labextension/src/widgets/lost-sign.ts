/** The sign that a panel shows while nobody answers its questions. */

import { h } from "../lib/dom.ts";
import type { Panel } from "./panel.ts";

/** A line that is hidden while the panel is connected. */
export function lostSign(panel: Panel, signal: AbortSignal): HTMLElement {
  const sign = h("div", { class: "gpt-lost", role: "status", hidden: true });
  const show = () => {
    sign.hidden = !panel.lost;
    // A status is read out when its text changes.
    sign.textContent = panel.lost
      ? "The notebook kernel does not answer: it is busy with a cell, or it was restarted. If it was, run this panel’s cell again."
      : "";
  };
  show();
  const off = panel.onLost(show);
  signal.addEventListener("abort", off, { once: true });
  return sign;
}
