/** Small state that several views share: read it, change it, hear of changes. */

export class Store<State extends object> {
  #state: Readonly<State>;
  #listeners = new Set<{ keys: readonly (keyof State)[]; callback: () => void }>();

  constructor(initial: State) {
    this.#state = { ...initial };
  }

  get(): Readonly<State> {
    return this.#state;
  }

  /** Changes some values, and then calls whoever listens to one that is now different. */
  set(changes: Partial<State>): void {
    const before = this.#state;
    this.#state = { ...before, ...changes };
    const changed = (Object.keys(changes) as (keyof State)[]).filter((key) => !same(before[key], this.#state[key]));
    if (changed.length === 0) return;
    for (const listener of [...this.#listeners]) {
      if (listener.keys.some((key) => changed.includes(key)) && this.#listeners.has(listener)) listener.callback();
    }
  }

  /** Calls back when one of the named values has changed; returns what ends that. */
  on(keys: readonly (keyof State)[], callback: () => void): () => void {
    const listener = { keys, callback };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function same(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
