// The alarms' cards under a person's hand. A list that sorts itself anew puts another alarm's button where one's own just
// was; the second click of a double click, or one made a moment late, must not acknowledge what nobody has read.

import { words } from "./page.ts";
import { held, shifted } from "./pure.ts";

/** The cards of what stands; those of a test are apart, and have no place to lose. */
const LIST = ".cards:not(.apart)";
const CARD = `${LIST} > .card`;
/** After an action the cards keep their places this long. */
const HOLD_MS = 5_000;
/** After an action, and after any card has changed its place, no press counts for this long. */
const SETTLE_MS = 1_000;

let holdUntil = -Infinity;
let settledAt = -Infinity;
let release = 0;

/** Somebody does something to an alarm. `sort` is called once the cards may go to their own places again. */
export function acted(sort: () => void): void {
  holdUntil = performance.now() + HOLD_MS;
  clearTimeout(release);
  release = window.setTimeout(sort, HOLD_MS + 50);
  unsettle();
}

/** Whether a press counts. The second of a double click never does. */
export function settled(clicks: number): boolean {
  return clicks < 2 && performance.now() >= settledAt;
}

/** Puts the cards of a fresh list where a person may expect them, before it takes the old one's place. */
export function arrange(old: HTMLElement, fresh: HTMLElement): void {
  const before = ids(old);
  if (performance.now() < holdUntil) keep(old, fresh, held(before, ids(fresh)));
  if (shifted(before, ids(fresh))) unsettle();
}

function unsettle(): void {
  settledAt = performance.now() + SETTLE_MS;
  document.body.dataset["unsettled"] = "";
  setTimeout(() => {
    if (performance.now() >= settledAt) delete document.body.dataset["unsettled"];
  }, SETTLE_MS + 10);
}

function keep(old: HTMLElement, fresh: HTMLElement, order: string[]): void {
  if (order.length === 0) return;
  let list = fresh.querySelector(LIST);
  if (!list) {
    list = document.createElement("ol");
    list.className = "cards";
    fresh.querySelector(".head")?.after(list);
  }
  const card = (root: HTMLElement, id: string) => root.querySelector<HTMLElement>(`${CARD}[id="${CSS.escape(id)}"]`);
  list.append(...order.map((id) => card(fresh, id) ?? over(card(old, id), fresh)).filter((it) => it !== null));
}

/** What stands no more keeps its place for the moment, and can't be pressed. What was put aside says so. */
function over(card: HTMLElement | null, fresh: HTMLElement): HTMLElement | null {
  if (!card) return null;
  card.dataset["over"] = "";
  for (const button of card.querySelectorAll("button")) button.remove();
  const state = card.querySelector(".state");
  const aside = fresh.querySelector(`[data-alarm="${CSS.escape(card.id.replace("alarm-", ""))}"] .state`);
  if (state) state.textContent = aside?.textContent ?? words["over"] ?? "";
  return card;
}

function ids(section: HTMLElement): string[] {
  return [...section.querySelectorAll(CARD)].map((card) => card.id);
}
