// Points kept at the present: the rows of the table, and the present value on each alarm's card.

import type { News } from "./api.ts";
import { language, now, words } from "./page.ts";
import { ago, figure } from "./pure.ts";

/** Rows by `device/point`, so that a thousand news don't search the table a thousand times. */
let rows = new Map<string, HTMLElement>();
/** The present on the cards of alarms, by `device/point`; a point may have several alarms. */
let cards = new Map<string, HTMLElement[]>();
/** The last news of each point and when they came (`performance.now()`). */
const latest = new Map<string, { news: News; heard: number }>();
/** The table ends before the points do: what it lacks is no news. */
let more = false;

/** Learns the table anew after it was put in place. */
export function index(): void {
  const all = document.querySelectorAll<HTMLElement>("#points tr[data-key]");
  rows = new Map([...all].map((row) => [row.dataset["key"] ?? "", row]));
  more = document.getElementById("points")?.dataset["more"] !== undefined;
}

/** Learns the cards anew. What was heard since they were asked for is newer than what they say. */
export function indexCards(asked: number): void {
  cards = new Map();
  for (const element of document.querySelectorAll<HTMLElement>("#alarms [data-now]")) {
    const key = element.dataset["now"] ?? "";
    cards.set(key, [...(cards.get(key) ?? []), element]);
    const last = latest.get(key);
    if (last && last.heard >= asked) fill(element, last.news, words["none"] ?? "");
  }
}

/** Puts news in place; says whether a point came that the table should have and has not. */
export function apply(news: News[]): boolean {
  const unknown = news.filter((item) => !put(item)).length > 0;
  const troubled = document.getElementById("troubled");
  if (troubled) troubled.textContent = String(document.querySelectorAll("#points tr[data-quality]:not([data-quality=good])").length);
  return unknown && !more;
}

/** Cards take news at once, also while the table is being fetched. Says whether a heading, or the head of all, may be true no more. */
export function applyToCards(news: News[]): boolean {
  let turned = false;
  for (const item of news) {
    const key = `${item.device}/${item.point}`;
    // The head says how many can't be believed.
    const before = latest.get(key);
    turned ||= (before?.news.quality === "bad") !== (item.quality === "bad");
    latest.set(key, { news: item, heard: performance.now() });
    for (const element of cards.get(key) ?? []) {
      turned ||= element.dataset["quality"] !== item.quality;
      fill(element, item, words["none"] ?? "");
    }
  }
  return turned;
}

function put(item: News): boolean {
  const row = rows.get(`${item.device}/${item.point}`);
  if (row) fill(row, item, "—");
  return row !== undefined;
}

function fill(element: HTMLElement, item: News, none: string): void {
  element.dataset["quality"] = item.quality;
  set(element, ".value", figure(item, language, none));
  set(element, ".quality .mark", words.quality[item.quality] ?? item.quality);
  set(element, ".quality .reason", item.reason ? ` · ${words.reason[item.reason] ?? item.reason}` : "");
  const age = element.querySelector<HTMLElement>(".age");
  if (age && item.at !== null) {
    age.dataset["age"] = String(item.at);
    age.textContent = ago(now() - item.at, words);
  }
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
