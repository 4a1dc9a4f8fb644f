/** What can be wrong in the form, found before anybody is asked; the words name the value and what to write. */

import { grouped } from "../../lib/numbers.ts";
import { MAX_PROBES } from "../../protocol.ts";
import { FIELDS, type FieldName } from "./form-fields.ts";
import type { Form } from "./source.ts";

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** A number as somebody has written it; null where nothing is, NaN where it is none. */
export function numberOf(text: string): number | null {
  const bare = text.trim().replace(/,(?=\d{3}(\D|$))/g, "");
  if (bare === "") return null;
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(bare) ? Number(bare) : NaN;
}

/** Why a number can't be what its field says, or null. */
export function wrongNumber(name: FieldName, text: string): string | null {
  const { range, label } = FIELDS[name];
  const value = numberOf(text);
  if (range === null || value === null) return null;
  if (Number.isNaN(value)) return `“${text.trim()}” is no number${/^\d+,\d+$/.test(text.trim()) ? ": write it with a point" : ""}`;
  const { above, low, high, whole } = range;
  if (whole && !Number.isInteger(value)) return `${label} must be a whole number, not ${text.trim()}`;
  if (above !== undefined && !(value > above)) return `${label} must be above ${above}, not ${text.trim()}`;
  if ((low !== undefined && value < low) || value > high) {
    return `${label} must be between ${low ?? above} and ${grouped(high)}, not ${text.trim()}`;
  }
  return null;
}

/** What is wrong with a form, by field; `validated` is whether there are validation data without a share. */
export function wrongFields(form: Form, validated = false): Partial<Record<FieldName, string>> {
  const wrong: Partial<Record<FieldName, string>> = {};
  if (form.name !== "" && !NAME.test(form.name)) {
    wrong.name = `“${form.name}” is no name for a job: use up to 64 lower-case letters, digits and . _ - (not first)`;
  }
  if (form.model.trim() === "") wrong.model = "choose what to begin with";
  if (form.probes.length > MAX_PROBES) wrong.probes = `at most ${MAX_PROBES} probes, not ${form.probes.length}: take some out`;
  const given = (["text", "prompt", "completion", "messages"] as const).filter((name) => form[name].trim() !== "");
  if (given.includes("text") && given.length > 1) {
    wrong.text = `a row is a text or has ${given.filter((name) => name !== "text").join(" and ")}: leave one empty`;
  } else if (given.includes("messages") && given.length > 1) {
    wrong.messages = "a row is a chat or has a prompt and a completion: leave one empty";
  } else if (given.includes("prompt") && !given.includes("completion")) {
    wrong.completion = "a prompt needs a completion, which is what is learnt";
  } else if (given.includes("completion") && !given.includes("prompt")) {
    wrong.prompt = "a completion needs a prompt: for texts that are learnt as a whole, fill in text";
  }
  if (form.early_stopping !== null && !form.validation && !validated) wrong.early_stopping = "early stopping needs validations: give a validation share";
  return wrong;
}
