/**
 * A row of numbers that grows, and knows the least, the largest and the mean of every stretch of itself.
 *
 * Blocks of 16 numbers, of 256 and so on are summed up once, when they are full. A stretch is then a few blocks and what is left
 * over at its ends, so that a curve of 50,000 points costs what its pixels cost. Numbers that are none are left out.
 */

const FAN = 16;
const SMALLEST = 256;

/** What is known of a stretch; `count` is how many of its numbers are some. */
export interface Summary {
  low: number;
  high: number;
  sum: number;
  count: number;
}

interface Level {
  low: Float32Array;
  high: Float32Array;
  sum: Float64Array;
  count: Uint32Array;
}

export class Column {
  #values = new Float32Array(SMALLEST);
  #length = 0;
  /** Level k has blocks of 16^(k + 1) numbers. */
  #levels: Level[] = [];

  get length(): number {
    return this.#length;
  }

  at(index: number): number {
    return index >= 0 && index < this.#length ? (this.#values[index] as number) : NaN;
  }

  append(value: number): void {
    if (this.#length === this.#values.length) this.#values = grown(this.#values, 2 * this.#length);
    this.#values[this.#length++] = value;
    let size = FAN;
    for (let level = 0; this.#length % size === 0; level++, size *= FAN) this.#sumUp(level, this.#length / size - 1);
  }

  /** Takes back all numbers from an index on. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** What is known of the numbers from `start` up to `stop`, written into `into`. */
  over(start: number, stop: number, into: Summary): Summary {
    into.low = Infinity;
    into.high = -Infinity;
    into.sum = into.count = 0;
    const end = Math.min(stop, this.#length);
    for (let index = Math.max(0, start); index < end; ) {
      let [level, size] = [-1, 1];
      while (index % (size * FAN) === 0 && index + size * FAN <= end) {
        size *= FAN;
        level++;
      }
      if (level < 0) addNumber(into, this.#values[index] as number);
      else addBlock(into, this.#levels[level] as Level, index / size);
      index += size;
    }
    return into;
  }

  /** The first index whose number is not below `value`, in a column whose numbers never fall. */
  firstFrom(value: number, low = 0, high = this.#length): number {
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#values[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The index whose number is nearest to `value`, in a column whose numbers never fall; -1 where there is none. */
  nearest(value: number): number {
    const after = this.firstFrom(value);
    if (after === 0) return this.#length === 0 ? -1 : 0;
    if (after === this.#length) return after - 1;
    return value - this.at(after - 1) <= this.at(after) - value ? after - 1 : after;
  }

  #sumUp(level: number, block: number): void {
    const into = { low: Infinity, high: -Infinity, sum: 0, count: 0 };
    for (let part = block * FAN; part < (block + 1) * FAN; part++) {
      if (level === 0) addNumber(into, this.#values[part] as number);
      else addBlock(into, this.#levels[level - 1] as Level, part);
    }
    const kept = (this.#levels[level] ??= levelOf(FAN));
    if (block === kept.low.length) this.#levels[level] = grownLevel(kept);
    const { low, high, sum, count } = this.#levels[level] as Level;
    low[block] = into.low;
    high[block] = into.high;
    sum[block] = into.sum;
    count[block] = into.count;
  }
}

function addNumber(into: Summary, value: number): void {
  if (!Number.isFinite(value)) return;
  if (value < into.low) into.low = value;
  if (value > into.high) into.high = value;
  into.sum += value;
  into.count++;
}

function addBlock(into: Summary, { low, high, sum, count }: Level, block: number): void {
  if (count[block] === 0) return;
  if ((low[block] as number) < into.low) into.low = low[block] as number;
  if ((high[block] as number) > into.high) into.high = high[block] as number;
  into.sum += sum[block] as number;
  into.count += count[block] as number;
}

function levelOf(blocks: number): Level {
  return { low: new Float32Array(blocks), high: new Float32Array(blocks), sum: new Float64Array(blocks), count: new Uint32Array(blocks) };
}

function grownLevel(level: Level): Level {
  const larger = levelOf(2 * level.low.length);
  larger.low.set(level.low);
  larger.high.set(level.high);
  larger.sum.set(level.sum);
  larger.count.set(level.count);
  return larger;
}

function grown(values: Float32Array, length: number): Float32Array<ArrayBuffer> {
  const larger = new Float32Array(length);
  larger.set(values);
  return larger;
}
