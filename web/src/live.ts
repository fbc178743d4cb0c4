// The stream, and the honest word about it: a frozen screen that looks live is the worst failure of all.

import type { News } from "./api.ts";
import { clock, now, tell, the, words } from "./page.ts";
import type { Part } from "./parts.ts";

/** The server says something at least every 10 s. */
const STALE_MS = 15_000;
/** A stream that broke is opened anew within this, or the gateway is gone. */
const GONE_MS = 4_000;
/** How long to wait before a broken stream is opened anew. */
const RETRY_MS = 2_000;

export interface Listener {
  /** Subscribed: now fetch everything. */
  fresh(): void;
  points(news: News[]): void;
  alarm(): void;
  /** Something of the alarms as a whole, or of the site: this part of the page is old. */
  news(part: Part): void;
  /** A mode of an area began, ended, or a walk-test has tripped one more point. */
  modes(): void;
}

/** Milliseconds of the page's own monotonic clock: a step of the wall clock must not hide a silence. */
let heard = performance.now();
let heardAt = now();
let connected = false;
/** Since when the stream has been broken. */
let broken: number | undefined;

export function listen(to: Listener): void {
  const source = new EventSource("/api/v1/events");
  const on = <T>(name: string, then: (data: T) => void) =>
    source.addEventListener(name, (event) => {
      heard = performance.now();
      heardAt = now();
      then(JSON.parse((event as MessageEvent<string>).data) as T);
      show();
    });
  on<Beat>("hello", (beat) => {
    connected = true;
    broken = undefined;
    engine(beat);
    to.fresh();
  });
  on<Beat>("heartbeat", engine);
  on<{ items: News[] }>("points", ({ items }) => to.points(items));
  on("alarm", () => to.alarm());
  on("shadow", () => to.alarm());
  on("performance", () => to.news("performance"));
  on("warning", () => to.news("levels"));
  on("modes", () => to.modes());
  on("resync", () => to.fresh());
  source.onerror = () => {
    connected = false;
    broken ??= performance.now();
    show();
    // Left to itself the browser gives up for good on some errors.
    source.close();
    setTimeout(() => listen(to), RETRY_MS);
  };
}

interface Beat {
  now: number;
  engine: boolean;
}

function engine(beat: Beat): void {
  tell(beat.now);
  the("engine").hidden = beat.engine;
}

export function isStale(): boolean {
  const at = performance.now();
  return at - heard > STALE_MS || (broken !== undefined && at - broken > GONE_MS);
}

/** Called every second and at every event. */
export function show(): void {
  const stale = isStale();
  const state = stale ? "stale" : connected ? "live" : "connecting";
  const badge = the("live");
  if (badge.dataset["state"] !== state) {
    badge.dataset["state"] = state;
    badge.textContent = words[state] ?? state;
    document.body.dataset["stale"] = String(stale);
    the("stale").hidden = !stale;
    const title = document.title.replace(/^⚠ /, "");
    document.title = stale ? `⚠ ${title}` : title;
  }
  if (stale) the("stale-since").textContent = clock(heardAt);
}
