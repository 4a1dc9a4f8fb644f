/**
 * The colours of curves: blue and orange for the job, and for others those of Okabe and Ito (2008) that are left, which stay apart
 * for every common kind of colour blindness. Dashes tell them apart as well.
 */

interface Look {
  color: string;
  dash: readonly number[];
}

const OWN = {
  light: { training: "#2d6db3", validation: "#c8640a" },
  dark: { training: "#5f9fdc", validation: "#e08a35" },
};
const OTHERS = {
  light: ["#00795a", "#a8447f", "#7a6a00", "#0e86b8"],
  dark: ["#2bbd93", "#dd8cb9", "#d9c64a", "#6fc3ee"],
};
const DASHES = [[6, 3], [2, 2], [8, 2, 2, 2], [12, 3]];

/** More at once could not be told apart. */
export const MOST_OTHERS = 6;

export function ownColors(dark: boolean): { training: string; validation: string } {
  return dark ? OWN.dark : OWN.light;
}

export function otherLook(index: number, dark: boolean): Look {
  const colors = dark ? OTHERS.dark : OTHERS.light;
  // Of more others than colours, those of one colour have different dashes.
  const dash = DASHES[(index + Math.floor(index / colors.length)) % DASHES.length] as number[];
  return { color: colors[index % colors.length] as string, dash };
}
