import assert from "node:assert/strict";
import { test } from "node:test";
import { numberOf, wrongFields, wrongNumber } from "../src/widgets/fine_tuning/form-checks.ts";
import { fieldOf, FIELDS, type FieldName, otherwiseOf } from "../src/widgets/fine_tuning/form-fields.ts";
import type { Form } from "../src/widgets/fine_tuning/source.ts";

const FORM: Form = {
  model: "storyteller", name: "", method: "lora", epochs: null, max_steps: null, learning_rate: null, batch_size: null, max_length: null,
  too_long: "split", lora_rank: null, validation: null, validate_every: null, early_stopping: null, probes: [], probe_every: null,
  seed: 0, text: "", prompt: "", completion: "", messages: "",
};

test("numbers are read as people write them", () => {
  assert.deepEqual(["3", " 2e-4 ", "1,200", ".5", "", "1,2", "0x10", "many", "1_000"].map(numberOf), [3, 2e-4, 1200, 0.5, null, NaN, NaN, NaN, NaN]);
});

test("an empty field is left to the job, and a form as it begins has nothing wrong", () => {
  for (const name of Object.keys(FIELDS) as FieldName[]) assert.equal(wrongNumber(name, ""), null);
  assert.deepEqual(wrongFields(FORM), {});
});

test("a number that can't be is named with its value", () => {
  assert.equal(wrongNumber("epochs", "0"), "epochs must be above 0, not 0");
  assert.equal(wrongNumber("max_steps", "2.5"), "steps must be a whole number, not 2.5");
  assert.equal(wrongNumber("validation", "1"), "validation share must be between 0 and 0.9, not 1");
  assert.equal(wrongNumber("lora_rank", "2000"), "rank must be between 1 and 1,024, not 2000");
  assert.equal(wrongNumber("max_steps", "0"), "steps must be between 1 and 1,000,000,000,000, not 0");
  assert.equal(wrongNumber("validation", "0,1"), "“0,1” is no number: write it with a point");
  assert.equal(wrongNumber("learning_rate", "fast"), "“fast” is no number");
  assert.equal(wrongNumber("epochs", "0.5"), null);
});

test("fields that don't go together are named where one is to be changed", () => {
  const wrong = (changes: Partial<Form>): string[] => Object.keys(wrongFields({ ...FORM, ...changes }));
  assert.deepEqual(wrong({ text: "a", prompt: "b", completion: "c" }), ["text"]);
  assert.deepEqual(wrong({ messages: "a", prompt: "b", completion: "c" }), ["messages"]);
  assert.deepEqual(wrong({ prompt: "b" }), ["completion"]);
  assert.deepEqual(wrong({ completion: "b" }), ["prompt"]);
  assert.deepEqual(wrong({ early_stopping: 3 }), ["early_stopping"]);
  assert.deepEqual(wrong({ early_stopping: 3, validation: 0.1 }), []);
  assert.deepEqual(wrongFields({ ...FORM, early_stopping: 3 }, true), {});
  assert.deepEqual(wrong({ name: "My voice" }), ["name"]);
  assert.deepEqual(wrong({ name: "my-voice.2_b" }), []);
  assert.deepEqual(wrong({ probes: Array.from({ length: 17 }, () => "a") }), ["probes"]);
});

test("an error finds the field that it is about", () => {
  const found = ["lora_rank", "prompt", "data", "toString", null].map(fieldOf);
  assert.deepEqual(found, ["lora_rank", "prompt", null, null, null]);
});

test("an empty field says what the job then chooses: the validation data, where some were given", () => {
  assert.deepEqual([otherwiseOf("validation", false), otherwiseOf("validation", true), otherwiseOf("seed", true)], ["none", "the validation data given", "0"]);
});
