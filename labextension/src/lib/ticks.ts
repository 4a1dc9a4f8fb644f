/** Where an axis has its numbers, and how they are written. */

import { grouped } from "./numbers.ts";

export interface Tick {
  value: number;
  text: string;
}

type Interval = readonly [low: number, high: number];

const NICE = [1, 2, 5, 10];
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SECONDS = [
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12, 24].map((hours) => hours * HOUR),
];

/** Round numbers within an interval, at most `most` of them. */
export function linearTicks([low, high]: Interval, most: number): Tick[] {
  if (!(high > low) || most < 1) return [];
  const step = niceStep((high - low) / most);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return multiples([low, high], step).map((value) => ({ value, text: decimal(value, digits) }));
}

/** The same of whole numbers, such as steps. */
export function wholeTicks([low, high]: Interval, most: number): Tick[] {
  if (!(high > low) || most < 1) return [];
  const step = Math.max(1, niceStep((high - low) / most));
  return multiples([low, high], step).map((value) => ({ value, text: grouped(value) }));
}

/** Numbers for a logarithmic axis: 1, 2 and 5 times powers of ten, or only these; round ones where the axis is short. */
export function logTicks([low, high]: Interval, most: number): Tick[] {
  if (!(high > low) || !(low > 0) || most < 1) return [];
  const decades = Math.log10(high / low);
  if (decades < 0.7) return linearTicks([low, high], most);
  const every = Math.max(1, Math.ceil(decades / most));
  const factors = decades * 3 <= most ? [1, 2, 5] : [1];
  const found: Tick[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    if (power % every !== 0) continue;
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push({ value, text: compact(value) });
    }
  }
  return found.length > 1 ? found : linearTicks([low, high], most);
}

/** Times within an interval of seconds. */
export function timeTicks([low, high]: Interval, most: number): Tick[] {
  if (!(high > low) || most < 1) return [];
  const least = (high - low) / most;
  const step = least < 1 ? niceStep(least) : (SECONDS.find((each) => each >= least) ?? DAY * Math.ceil(least / DAY));
  return multiples([low, high], step).map((value) => ({ value, text: step < 1 ? `${decimal(value, 1)} s` : duration(value) }));
}

/** Seconds as a clock shows them: 0:31, 12:05, 3:12:05, 2 d 03:12. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number: number): string => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / HOUR), Math.floor(whole / MINUTE) % 60];
  if (whole >= DAY) return `${Math.floor(whole / DAY)} d ${two(hours % 24)}:${two(minutes)}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A number in few characters: 0.0002 is 2e-4, 12,300 is 12.3k. */
export function compact(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3) return shortened(value.toExponential(2));
  if (size < 10_000) return String(Number(value.toPrecision(4)));
  for (const [unit, name] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (size >= unit) return `${Number((value / unit).toPrecision(3))}${name}`;
  }
  return String(value);
}

function shortened(exponential: string): string {
  const [digits, power] = exponential.split("e") as [string, string];
  return `${Number(digits)}e${Number(power)}`;
}

function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return (NICE.find((each) => each * power >= least * (1 - 1e-9)) ?? 10) * power;
}

function multiples([low, high]: Interval, step: number): number[] {
  const found: number[] = [];
  for (let count = Math.ceil(low / step - 1e-9); count * step <= high + step * 1e-9; count++) found.push(count * step + 0);
  return found;
}

function decimal(value: number, digits: number): string {
  const size = Math.abs(value);
  if (size < 10 ** -digits / 2) return "0";
  return size >= 10_000 || size < 0.01 ? compact(value) : value.toFixed(digits);
}
