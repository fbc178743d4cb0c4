// What can be reasoned about without a browser: numbers, ages, the series of a chart.

import type { Bucket, News } from "./api.ts";

/** Four significant digits and no trailing zeros; the server's page has the same rule. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "—";
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(6, Math.max(0, 3 - magnitude));
  const text = value.toFixed(decimals);
  const short = text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
  return short === "-0" ? "0" : short;
}

/** A value as people read it: the word of a state, or its number; `none` where there is nothing to believe. */
export function figure(news: Pick<News, "value" | "word" | "quality">, language: string, none: string): string {
  if (news.quality === "bad" || news.value === null) return none;
  if (news.word) return language === "en" ? news.word.en : news.word.zh;
  return number(news.value);
}

export interface Ages {
  second: string;
  minute: string;
  hour: string;
  day: string;
}

/** Where the API takes an act: on the site's warning level, on a mode's area, on an alarm. */
export function path(act: string, id: string): string {
  if (act === "release") return "/api/v1/warning/release";
  return `/api/v1/${act === "end" ? "modes" : "alarms"}/${encodeURIComponent(id)}/${act}`;
}

/** How long ago, in the largest unit that fits. What lies ahead counts as now. */
export function ago(ms: number, words: Ages): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 100) return `${seconds}${words.second}`;
  if (seconds < 6_000) return `${Math.floor(seconds / 60)}${words.minute}`;
  if (seconds < 172_800) return `${number(Math.floor(seconds / 360) / 10)}${words.hour}`;
  return `${Math.floor(seconds / 86_400)}${words.day}`;
}

/**
 * The order of cards that keep their places: those that were there stay where they were, also the ones that are gone;
 * a new one stands behind the one it follows in the fresh order.
 */
export function held(before: string[], fresh: string[]): string[] {
  const order = [...before];
  fresh.forEach((id, place) => {
    if (order.includes(id)) return;
    const ahead = fresh[place - 1];
    order.splice(ahead === undefined ? 0 : order.indexOf(ahead) + 1, 0, id);
  });
  return order;
}

/** Whether another card stands now where one stood. */
export function shifted(before: string[], now: string[]): boolean {
  return before.some((id, place) => now[place] !== id);
}

/** Columns of a chart: seconds, and three values that are null where there was none. */
export interface Series {
  at: number[];
  min: (number | null)[];
  max: (number | null)[];
  mean: (number | null)[];
  /** Readings in the last column, so that it can take more. */
  last: number;
}

/** A silence this many times the usual distance is a gap. */
const GAP = 5;

/**
 * A bucket of bad readings is a gap. An empty one is none by itself (a device may speak more seldom than the step);
 * it becomes one where the silence is unusual for this point.
 */
export function series(buckets: Bucket[], step: number): Series {
  const told = buckets.filter((bucket) => bucket.mean !== null || bucket.bad > 0);
  const usual = Math.max(step, median(told.slice(1).map((bucket, n) => bucket.at - (told[n]?.at ?? bucket.at))));
  const out: Series = { at: [], min: [], max: [], mean: [], last: 0 };
  let before: number | null = null;
  for (const bucket of told) {
    if (before !== null && bucket.at - before > GAP * usual) push(out, before + usual, null, null, null);
    push(out, bucket.at, bucket.min, bucket.max, bucket.mean);
    out.last = bucket.count;
    before = bucket.at;
  }
  return out;
}

/** Takes one live value: into the last column while that is younger than a step, else as a new one. */
export function append(to: Series, at: number, value: number | null, step: number): void {
  const place = to.at.length - 1;
  const newest = to.at[place];
  if (newest !== undefined && at / 1000 < newest) return;
  const [min, max, mean] = [to.min[place], to.max[place], to.mean[place]];
  const known = typeof min === "number" && typeof max === "number" && typeof mean === "number";
  if (value === null || newest === undefined || !known || at / 1000 - newest >= step / 1000) {
    push(to, at, value, value, value);
    to.last = value === null ? 0 : 1;
    return;
  }
  to.last += 1;
  to.min[place] = Math.min(min, value);
  to.max[place] = Math.max(max, value);
  to.mean[place] = mean + (value - mean) / to.last;
}

/** Forgets what lies before `from` (ms). */
export function trim(of: Series, from: number): void {
  let gone = 0;
  while (gone < of.at.length && (of.at[gone] ?? 0) < from / 1000) gone += 1;
  for (const column of [of.at, of.min, of.max, of.mean]) column.splice(0, gone);
}

/** The value axis: everything drawn and every limit, with a little room; never a single line. */
export function extent(low: number | null, high: number | null, limits: number[]): [number, number] {
  const all = [...limits, low, high].filter((value): value is number => value !== null && Number.isFinite(value));
  if (all.length === 0) return [0, 1];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const room = most > least ? (most - least) * 0.08 : Math.max(Math.abs(most) * 0.1, 0.5);
  return [least - room, most + room];
}

function push(to: Series, at: number, min: number | null, max: number | null, mean: number | null): void {
  to.at.push(at / 1000);
  to.min.push(min);
  to.max.push(max);
  to.mean.push(mean);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
