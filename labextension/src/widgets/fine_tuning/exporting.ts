/** Writes a checkpoint for others: asks where, and how. */

import { Latest } from "../../lib/asking.ts";
import { byteSize } from "../../lib/byte-sizes.ts";
import { button, make, told } from "../../lib/elements.ts";
import { isCancelled, messageOf, progressText } from "../../lib/notices.ts";
import { counted } from "../../lib/numbers.ts";
import { visible } from "../../lib/text.ts";
import type { JobInfo } from "../../protocol.ts";
import type { Context } from "./view.ts";

/** The form; `signal` ends it and what it asked for. */
export function exportForm({ source, failed }: Context, info: JobInfo, step: number, signal: AbortSignal): HTMLElement {
  const latest = new Latest();
  signal.addEventListener("abort", () => latest.end(), { once: true });
  const where = told("the directory to write to, which must be empty or not there yet");
  const directory = make("input", { class: "gpt-input gpt-wide", type: "text", value: `exports/${info.name}-${step}`, ...where });
  const merged = make("input", { type: "checkbox" });
  const whole = info.options.method === "full";
  const says = make("p", { class: "gpt-explains", role: "status" });
  const run = (): void => {
    if (directory.value.trim() === "") {
      says.textContent = "Name a directory.";
      return directory.focus();
    }
    go.disabled = true;
    says.textContent = "writing …";
    latest.run(
      (ending) =>
        source.exportCheckpoint(
          { step, directory: directory.value.trim(), merged: whole || merged.checked },
          (progress) => (says.textContent = progressText(progress)),
          { signal: ending },
        ),
      (written) => {
        go.disabled = false;
        says.textContent = `wrote ${counted(written.files.length, "file")}, ${byteSize(written.bytes)}, to ${visible(written.directory)}`;
      },
      (error) => {
        go.disabled = false;
        if (isCancelled(error)) return;
        says.textContent = messageOf(error);
        failed(error);
      },
    );
  };
  const go = button("export", { does: "write the checkpoint", class: "gpt-primary", press: run });
  directory.addEventListener("keydown", (event) => {
    if (event.key === "Enter") run();
  });
  const title = "adds the adapter to the model’s weights, for programs that know no adapters";
  const how = make("label", { class: "gpt-menu-line", title }, merged, "merged into the model");
  return make("div", { class: "gpt-export" }, make("label", { class: "gpt-label" }, "directory ", directory), whole ? null : how, go, says);
}
