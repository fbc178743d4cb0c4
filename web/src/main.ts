// Keeps the server's page live: values in place, parts fetched anew when alarms change, and the truth about its own age.

import "uplot/dist/uPlot.min.css";
import "./style.css";

import type { News } from "./api.ts";
import * as act from "./act.ts";
import * as begin from "./begin.ts";
import { listen, show } from "./live.ts";
import { clock, now, the } from "./page.ts";
import { refresh } from "./parts.ts";
import * as points from "./points.ts";
import * as trend from "./trend.ts";

/** Links, sinks and the ledger are fetched this often, and at once when the stream is back. */
const STRIP_MS = 10_000;

/** Headings follow the present value and the links, too: they are fetched this often where no event brings them. */
const CARDS_MS = 10_000;

/** News that came while the table was being fetched: applied on top of it, so that nothing older stays. */
let pending: News[] | null = null;
let fetching = false;
let again = false;

async function fetchPoints(): Promise<void> {
  again = true;
  if (fetching) return;
  fetching = true;
  while (again) {
    again = false;
    pending = [];
    await refresh("points", settle);
    // Where the fetch failed, the old table takes the news.
    settle();
  }
  fetching = false;
}

function settle(): void {
  const news = pending ?? [];
  pending = null;
  points.index();
  points.apply(news);
  trend.mark();
}

function fetchAll(): void {
  void fetchPoints();
  void refresh("alarms", alarms);
  void refresh("events");
  void refresh("modes");
  void refresh("strip");
  void refresh("levels");
  void refresh("performance");
  void trend.open(false);
}

function apply(news: News[]): void {
  if (points.applyToCards(news)) void refresh("alarms", alarms);
  if (pending) pending.push(...news);
  // A device spoke for the first time: its row must come from the server.
  else if (points.apply(news)) void fetchPoints();
  trend.apply(news);
}

/** A step of an alarm. */
function step(): void {
  void refresh("alarms", alarms);
  void refresh("events");
}

function modes(): void {
  void refresh("modes");
  void refresh("events");
}

/** The alarms were put in place. */
function alarms(asked: number): void {
  points.indexCards(asked);
  title();
}

const name = document.title;

/** How many wait for a person, where a tab in the background shows it. */
function title(): void {
  const open = Number(the("alarms").dataset["open"]);
  document.title = open > 0 ? `(${open}) ${name}` : name;
}

// For whoever drives a browser in a test: what went wrong on this page, in its own words.
const faults: string[] = [];

function note(what: string): void {
  faults.push(what);
  document.body.dataset["faults"] = faults.slice(-5).join(" | ");
}

addEventListener("error", (event) => note(event.message));
addEventListener("unhandledrejection", (event) => note(String(event.reason)));

points.index();
points.indexCards(Infinity);
act.start(alarms);
begin.start();
trend.start();
title();
listen({ fresh: fetchAll, points: apply, alarm: step, modes, news: (part) => void refresh(part) });
setInterval(() => {
  the("clock").textContent = clock(now());
  points.grow();
  trend.move();
  show();
}, 1_000);
setInterval(() => void refresh("strip"), STRIP_MS);
setInterval(() => void refresh("performance"), STRIP_MS);
setInterval(() => void refresh("alarms", alarms), CARDS_MS);
// What is left of a mode's time.
setInterval(() => void refresh("modes"), CARDS_MS);
