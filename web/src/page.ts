// The page the server rendered, as the script finds it.

import type { Ages } from "./pure.ts";

export type Words = Ages & Record<string, string> & {
  quality: Record<string, string>;
  reason: Record<string, string>;
  priority: Record<string, string>;
  /** Times a person may choose from, by what is done: as the API takes them, and as people read them. */
  lengths: Record<string, [string, string][]>;
};

export const words = JSON.parse(document.body.dataset["words"] ?? "{}") as Words;
export const language = document.documentElement.lang;
const timezone = document.body.dataset["timezone"] ?? "UTC";

/** The element of this id, which the server's template always holds. */
export function the<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page lacks #${id}`);
  return element as T;
}

/** Server time minus this machine's, so that a wrong clock here does not make values look old or fresh. */
let skew = Number(document.body.dataset["now"]) - Date.now();

export function tell(serverNow: number): void {
  skew = serverNow - Date.now();
}

export function now(): number {
  return Date.now() + skew;
}

const full = formatter({ dateStyle: "short", timeStyle: "medium" });

/** Date and time at the site. */
export function clock(ms: number): string {
  return full.format(ms);
}

function formatter(style: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const options = { ...style, hour12: false };
  try {
    return new Intl.DateTimeFormat("sv-SE", { ...options, timeZone: timezone });
  } catch {
    return new Intl.DateTimeFormat("sv-SE", options);
  }
}

/** Milliseconds by which the site's wall clock is ahead of UTC at `ms`: what a chart's time axis needs. */
export function siteTime(ms: number): Date {
  const parts = full.formatToParts(ms);
  const part = (type: string) => Number(parts.find((it) => it.type === type)?.value ?? 0);
  return new Date(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
}

/** Fills a choice with the times that the site allows for an act. */
export function offer(select: HTMLSelectElement, act: string): void {
  select.replaceChildren(...(words.lengths[act] ?? []).map(([value, text]) => new Option(text, value)));
}

let toastTimer = 0;

export function toast(text: string, failed = false): void {
  const element = the("toast");
  element.textContent = text;
  element.dataset["failed"] = String(failed);
  element.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = window.setTimeout(() => (element.hidden = true), failed ? 12_000 : 4_000);
}
