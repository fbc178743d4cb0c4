// The trend of one point: band of least and most, mean, gaps where nothing is known, and the limits it is held against.

import uPlot from "uplot";

import { json, type History, type Line, type News } from "./api.ts";
import { now, siteTime, the, toast, words } from "./page.ts";
import { shown as tableShows } from "./points.ts";
import { append, extent, number, series, trim, type Series } from "./pure.ts";

interface Shown {
  key: string;
  unit: string;
  range: number;
  step: number;
  lines: Line[];
  data: Series;
  plot: uPlot;
}

/** Height in CSS pixels. */
const HEIGHT = 260;

let shown: Shown | null = null;
let range = 3_600_000;
let chosen: { key: string; title: string; unit: string; path: string } | null = null;
/** Only the newest question may draw its answer. */
let question = 0;

export function start(): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[data-trend]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(link);
  });
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-range]")) {
    button.addEventListener("click", () => {
      range = Number(button.dataset["range"]);
      void open(false);
    });
  }
  the("trend-close").addEventListener("click", close);
  new ResizeObserver(() => shown?.plot.setSize({ width: the("chart").clientWidth, height: HEIGHT })).observe(the("chart"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => void open(false));
  mark();
  // A link may name a point: `/#trend=hydrant-main/pressure`.
  const named = decodeURIComponent(location.hash).match(/^#trend=(.+)$/)?.[1];
  const link = named && document.querySelector<HTMLAnchorElement>(`a[data-trend="${CSS.escape(named)}"]`);
  if (link) choose(link);
}

function choose(link: HTMLAnchorElement): void {
  const key = link.dataset["trend"] ?? "";
  chosen = { key, title: link.dataset["title"] ?? key, unit: link.dataset["unit"] ?? "", path: link.pathname };
  history.replaceState(null, "", `#trend=${encodeURIComponent(chosen.key)}`);
  void open(true);
}

/** Draws the chosen point anew, for instance after the stream was away. */
export async function open(byHand: boolean): Promise<void> {
  if (!chosen) return;
  const { key, title, unit, path } = chosen;
  const mine = ++question;
  mark();
  if (byHand) {
    the("trend").hidden = false;
    the("trend-title").textContent = title + (unit ? ` (${unit})` : "");
    the("trend-title").focus({ preventScroll: true });
    the("trend").scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
  try {
    const to = Math.floor(now());
    const past = await json<History>(`${path}?from=${to - range}&to=${to}`);
    if (mine === question) draw(key, unit, past);
  } catch (error) {
    toast(`${words["failed"]}${key}: ${String(error)}`, true);
  }
}

/** Takes live news where it is of the point in sight. */
export function apply(news: News[]): void {
  if (!shown) return;
  const mine = news.filter((item) => `${item.device}/${item.point}` === shown?.key);
  for (const item of mine) if (item.at !== null) append(shown.data, item.at, item.value, shown.step);
  if (mine.length > 0) paint();
}

/** Moves the window on, also while nothing comes: silence must look like silence. */
export function move(): void {
  if (shown) paint();
}

function draw(key: string, unit: string, past: History): void {
  shown?.plot.destroy();
  const data = series(past.items, past.step);
  const options = plotOptions(past.lines, unit);
  const plot = new uPlot(options, columns(data), the("chart"));
  shown = { key, unit, range, step: past.step, lines: past.lines, data, plot };
  const thinned = past.items.some((bucket) => bucket.thinned) ? [words["thinned"]] : [];
  const empty = !data.mean.some((value) => value !== null);
  the("trend-note").textContent = [empty ? words["empty"] : words["gaps"], ...thinned, ...past.lines.map(legend)].join(" · ");
  paint();
}

function paint(): void {
  if (!shown) return;
  trim(shown.data, now() - shown.range);
  shown.plot.setData(columns(shown.data), false);
  shown.plot.setScale("x", { min: (now() - shown.range) / 1000, max: now() / 1000 });
  // The table's own figure: the last column of the chart is a mean.
  the("trend-now").textContent = `${tableShows(shown.key)} ${shown.unit}`;
}

const columns = (data: Series): uPlot.AlignedData => [data.at, data.max, data.min, data.mean];

function plotOptions(lines: Line[], unit: string): uPlot.Options {
  const ink = colour("--ink");
  const axis = { stroke: colour("--faint"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false } };
  const limits = lines.map((line) => line.limit);
  const edge = { stroke: "transparent", width: 0, points: { show: false } };
  return {
    width: the("chart").clientWidth,
    height: HEIGHT,
    tzDate: (seconds) => siteTime(seconds * 1000),
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: true, auto: false }, y: { range: (_, low, high) => extent(low, high, limits) } },
    axes: [
      { ...axis, values: axisTimes, space: 70 },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => number(tick)), label: unit, labelSize: 18 },
    ],
    series: [
      {},
      { label: words["band"] ?? "", ...edge },
      { label: words["band"] ?? "", ...edge },
      { label: words["mean"] ?? "", stroke: ink, width: 1.75, spanGaps: false },
    ],
    bands: [{ series: [1, 2], fill: colour("--band") }],
    hooks: { draw: [(plot) => lines.forEach((line) => drawLimit(plot, line))] },
  };
}

/** Hours and minutes at the site, with seconds where the ticks are that close. */
function axisTimes(_: uPlot, ticks: number[]): string[] {
  const close = (ticks[1] ?? 0) - (ticks[0] ?? 0) < 60;
  const two = (n: number) => String(n).padStart(2, "0");
  return ticks.map((tick) => {
    const at = siteTime(tick * 1000);
    return `${two(at.getHours())}:${two(at.getMinutes())}${close ? `:${two(at.getSeconds())}` : ""}`;
  });
}

/** A limit is a dashed line with its priority in words: never colour alone. */
function drawLimit(plot: uPlot, line: Line): void {
  const { ctx, bbox } = plot;
  const y = plot.valToPos(line.limit, "y", true);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour(`--${line.priority}`);
  ctx.lineWidth = devicePixelRatio * 1.5;
  ctx.setLineDash(line.early_warning ? [2, 5] : [8, 5]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  if (!line.early_warning) {
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    const above = line.side === "low" ? 14 : -5;
    ctx.fillText(`${words.priority[line.priority] ?? ""} ${number(line.limit)}`, bbox.left + bbox.width - 4, y + above * devicePixelRatio);
  }
  ctx.restore();
}

function legend(line: Line): string {
  const kind = line.early_warning ? words["early"] : words[line.side];
  return `${kind} ${number(line.limit)} (${words.priority[line.priority] ?? line.priority}, ${line.rule})`;
}

function close(): void {
  question += 1;
  shown?.plot.destroy();
  shown = null;
  const key = chosen?.key ?? "";
  chosen = null;
  history.replaceState(null, "", location.pathname + location.search);
  the("trend").hidden = true;
  mark();
  document.querySelector<HTMLElement>(`a[data-trend="${CSS.escape(key)}"]`)?.focus();
}

/** Shows which point and which range are in sight. */
export function mark(): void {
  for (const button of document.querySelectorAll<HTMLElement>("[data-range]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset["range"]) === range));
  }
  for (const row of document.querySelectorAll<HTMLElement>("tr[data-key]")) {
    row.toggleAttribute("data-chosen", row.dataset["key"] === chosen?.key);
  }
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
