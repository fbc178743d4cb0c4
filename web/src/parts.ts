// Parts of the page that the server renders anew: fetched and put in place, keeping the focus where it was
// and open what was open.

import { text } from "./api.ts";
import { arrange } from "./cards.ts";
import { language } from "./page.ts";

export type Part = "alarms" | "events" | "levels" | "modes" | "performance" | "points" | "strip";

/** At most one fetch of a part at a time; what asks meanwhile gets one more afterwards. */
const under = new Map<Part, { again: boolean }>();
/** A storm of events costs two fetches a second and no more. */
const PAUSE_MS = 500;

/** `then` is told when the part in place was asked for (`performance.now()`). */
export async function refresh(part: Part, then: (asked: number) => void = () => {}): Promise<void> {
  const running = under.get(part);
  if (running) {
    running.again = true;
    return;
  }
  const mine = { again: true };
  under.set(part, mine);
  try {
    while (mine.again) {
      mine.again = false;
      const asked = performance.now();
      put(part, await text(`/?part=${part}&lang=${language === "en" ? "en" : "zh"}`));
      then(asked);
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
  } catch (error) {
    // The stream's own silence tells the person; the next event or reconnection tries again.
    console.warn(`part ${part} was not fetched`, error);
  } finally {
    under.delete(part);
  }
}

function put(part: Part, html: string): void {
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById(part);
  const old = document.getElementById(part);
  if (!fresh || !old) return;
  const focused = old.contains(document.activeElement) ? document.activeElement?.id : undefined;
  if (part === "alarms") arrange(old, fresh);
  for (const open of old.querySelectorAll<HTMLDetailsElement>("details[open][id]")) {
    fresh.querySelector<HTMLDetailsElement>(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  }
  old.replaceWith(fresh);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}
