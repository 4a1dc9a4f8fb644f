/** A widget's model for tests: what a view sends is kept, and a test says what Python says. */

import type { AnyModel } from "@anywidget/types";

export interface Sent {
  kind: string;
  id: string;
  method?: string;
  params?: object;
}

export class FakeModel {
  readonly sent: Sent[] = [];
  saved = 0;
  #attributes: Record<string, unknown>;
  #listeners = new Map<string, Set<(...values: unknown[]) => void>>();

  constructor(attributes: Record<string, unknown> = {}) {
    this.#attributes = attributes;
  }

  get model(): AnyModel {
    return this as unknown as AnyModel;
  }

  get(name: string): unknown {
    return this.#attributes[name];
  }

  set(name: string, value: unknown): void {
    if (JSON.stringify(this.#attributes[name]) === JSON.stringify(value)) return;
    this.#attributes[name] = value;
    this.emit(`change:${name}`);
  }

  save_changes(): void {
    this.saved++;
  }

  /** As it is after the notebook kernel was restarted: the comm takes nothing more. */
  gone = false;

  send(content: Sent): void {
    if (this.gone) throw new Error("Cannot send");
    this.sent.push(content);
  }

  on(name: string, callback: (...values: unknown[]) => void): void {
    this.#listeners.set(name, (this.#listeners.get(name) ?? new Set()).add(callback));
  }

  off(name: string, callback: (...values: unknown[]) => void): void {
    this.#listeners.get(name)?.delete(callback);
  }

  /** How many listen to anything. */
  get listeners(): number {
    return [...this.#listeners.values()].reduce((sum, each) => sum + each.size, 0);
  }

  emit(name: string, ...values: unknown[]): void {
    for (const callback of [...(this.#listeners.get(name) ?? [])]) callback(...values);
  }

  say(message: object, buffers: DataView[] = []): void {
    this.emit("msg:custom", message, buffers);
  }

  requests(): Sent[] {
    return this.sent.filter((each) => each.kind === "request");
  }
}
