/** A map that forgets what was not asked for the longest, once it holds more than its limit. */

export class Lru<Value> {
  #values = new Map<string, Value>();

  constructor(readonly limit: number) {}

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, value);
    }
    return value;
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= this.limit) break;
      this.#values.delete(oldest);
    }
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  clear(): void {
    this.#values.clear();
  }
}
