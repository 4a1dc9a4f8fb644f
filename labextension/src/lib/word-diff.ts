/** Which words of a text are new and which are gone, compared with an earlier one. */

export interface Changed {
  kind: "same" | "added" | "removed";
  text: string;
}

/** Of texts with more words together than this, all that lies between a common beginning and end counts as changed. */
const LONGEST = 2_000;

/**
 * The two texts as one, in pieces; a word goes with the space before it.
 *
 * The longest common subsequence of their words stays (Wagner and Fischer 1974).
 */
export function wordDiff(before: string, after: string): Changed[] {
  const [old, now] = [words(before), words(after)];
  let begin = 0;
  while (begin < old.length && begin < now.length && old[begin] === now[begin]) begin++;
  let end = 0;
  while (end < old.length - begin && end < now.length - begin && old.at(-1 - end) === now.at(-1 - end)) end++;
  const found: Changed[] = [];
  push(found, "same", old.slice(0, begin));
  between(old.slice(begin, old.length - end), now.slice(begin, now.length - end), found);
  push(found, "same", old.slice(old.length - end));
  return found;
}

function words(text: string): string[] {
  return text.match(/\s*\S+|\s+$/gu) ?? [];
}

function between(old: readonly string[], now: readonly string[], found: Changed[]): void {
  if (old.length === 0 || now.length === 0 || old.length + now.length > LONGEST) {
    push(found, "removed", old);
    push(found, "added", now);
    return;
  }
  const width = now.length + 1;
  // (old, now): how many words the rests of both have in common.
  const common = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const [down, right] = [common[(i + 1) * width + j] as number, common[i * width + j + 1] as number];
      common[i * width + j] = old[i] === now[j] ? (common[(i + 1) * width + j + 1] as number) + 1 : Math.max(down, right);
    }
  }
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      push(found, "same", [old[i++] as string]);
      j++;
    } else if (j >= now.length || (i < old.length && (common[(i + 1) * width + j] as number) >= (common[i * width + j + 1] as number))) {
      push(found, "removed", [old[i++] as string]);
    } else {
      push(found, "added", [now[j++] as string]);
    }
  }
}

function push(found: Changed[], kind: Changed["kind"], parts: readonly string[]): void {
  const text = parts.join("");
  if (text === "") return;
  const last = found.at(-1);
  if (last?.kind === kind) last.text += text;
  else found.push({ kind, text });
}
