// The table of points, kept at the present.

import type { News } from "./api.ts";
import { now, words } from "./page.ts";
import { ago, number } from "./pure.ts";

/** Rows by `device/point`, so that a thousand news don't search the table a thousand times. */
let rows = new Map<string, HTMLElement>();
/** The table ends before the points do: what it lacks is no news. */
let more = false;

/** Learns the table anew after it was put in place. */
export function index(): void {
  const all = document.querySelectorAll<HTMLElement>("#points tr[data-key]");
  rows = new Map([...all].map((row) => [row.dataset["key"] ?? "", row]));
  more = document.getElementById("points")?.dataset["more"] !== undefined;
}

/** Puts news in place; says whether a point came that the table should have and has not. */
export function apply(news: News[]): boolean {
  const unknown = news.filter((item) => !put(item)).length > 0;
  const troubled = document.getElementById("troubled");
  if (troubled) troubled.textContent = String(document.querySelectorAll("#points tr[data-quality]:not([data-quality=good])").length);
  return unknown && !more;
}

function put(item: News): boolean {
  const row = rows.get(`${item.device}/${item.point}`);
  if (!row) return false;
  row.dataset["quality"] = item.quality;
  set(row, ".value", number(item.value));
  set(row, ".quality .mark", words.quality[item.quality] ?? item.quality);
  set(row, ".quality .reason", item.reason ? ` · ${words.reason[item.reason] ?? item.reason}` : "");
  const age = row.querySelector<HTMLElement>(".age");
  if (age && item.at !== null) {
    age.dataset["age"] = String(item.at);
    age.textContent = ago(now() - item.at, words);
  }
  return true;
}

/** Touches the page only where the text differs: thousands of cells stand still most of the time. */
function set(row: HTMLElement, selector: string, text: string): void {
  const cell = row.querySelector(selector);
  if (cell && cell.textContent !== text) cell.textContent = text;
}

/** What the table shows of a point now. */
export function shown(key: string): string {
  return rows.get(key)?.querySelector(".value")?.textContent ?? "";
}

/** Every age on the page, once a second. */
export function grow(): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-age]")) {
    const text = ago(now() - Number(element.dataset["age"]), words);
    if (element.textContent !== text) element.textContent = text;
  }
}
