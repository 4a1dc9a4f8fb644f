/** Numbers of bytes as people read them, as `gpt_notebook/byte_sizes.py` writes them. */

import { grouped } from "./numbers.ts";

/** A number of bytes with the unit that suits it, in three digits. */
export function byteSize(count: number): string {
  for (const [unit, name] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]] as const) {
    const amount = count / unit;
    if (amount >= 1) return `${amount >= 100 ? grouped(Math.round(amount)) : Number(amount.toPrecision(3))} ${name}`;
  }
  return `${count} bytes`;
}
