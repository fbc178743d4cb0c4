// The shapes of the API as this page uses them, and the two ways of asking.

/** A text in the languages of the people. */
export interface Text {
  zh: string;
  en: string;
}

export interface News {
  device: string;
  point: string;
  value: number | null;
  quality: "good" | "uncertain" | "bad";
  reason: string | null;
  at: number | null;
  /** The word of a state. */
  word: Text | null;
}

export interface Bucket {
  at: number;
  min: number | null;
  max: number | null;
  mean: number | null;
  count: number;
  bad: number;
  thinned: boolean;
}

export interface Line {
  rule: string;
  limit: number;
  side: "high" | "low";
  priority: string;
  early_warning: boolean;
}

export interface History {
  from: number;
  to: number;
  step: number;
  unit: string | null;
  lines: Line[];
  items: Bucket[];
}

/** How long any request may take; the server gives up before. */
const LIMIT_MS = 12_000;

/** An answer that is not what was asked for; the message is the problem document's detail. */
export class Refused extends Error {}

export async function text(path: string): Promise<string> {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(LIMIT_MS) });
  if (!response.ok) throw new Refused(`${response.status} ${path}`);
  return response.text();
}

export async function json<T>(path: string): Promise<T> {
  return JSON.parse(await text(path)) as T;
}

/** Sends a command; says whether it is on disk. */
export async function command(path: string, body: object): Promise<boolean> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  if (response.ok) return response.status !== 202;
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  throw new Refused(problem.detail ?? `${response.status}`);
}
