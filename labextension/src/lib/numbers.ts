/** Numbers as people read them. */

/** The shortest decimal that is this float32 and no other, as NumPy writes it. */
export function float32Text(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  for (let digits = 1; digits <= 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) !== Math.fround(value)) continue;
    const small = value !== 0 && Math.abs(value) < 1e-4;
    return small ? Number(text).toExponential().replace(/e-(\d)$/, "e-0$1") : String(Number(text));
  }
  return String(value);
}

/** A number with a few significant digits: 0.083, 1.24, 312. */
export function short(value: number, digits = 2): string {
  if (!Number.isFinite(value)) return float32Text(value);
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-4) return value.toExponential(0);
  if (size >= 100) return grouped(Math.round(value));
  return String(Number(value.toPrecision(size >= 1 ? digits + 1 : digits)));
}

/** A whole number with a comma before every three digits from the right: 1,024. */
export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** How many there are of what a word names: "1 row", "1,024 rows"; the plural is given where it isn't the word with an s. */
export function counted(count: number, word: string, plural = `${word}s`): string {
  return `${grouped(count)} ${count === 1 ? word : plural}`;
}

/** The part of 100, with as many decimals as it needs. */
export function percent(share: number): string {
  if (share > 0 && share < 5e-6) return "< 0.001 %";
  const digits = share >= 0.1 ? 0 : share >= 0.001 ? 1 : 3;
  return `${(100 * share).toFixed(digits)} %`;
}
