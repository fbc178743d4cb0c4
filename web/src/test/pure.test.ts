// @ts-expect-error node's own modules: no types are installed for three functions
import assert from "node:assert/strict";
// @ts-expect-error as above
import { test } from "node:test";

import type { Bucket } from "../api.ts";
import { ago, append, extent, figure, held, number, path, series, shifted, trim } from "../pure.ts";

const words = { second: " s", minute: " min", hour: " h", day: " d" };
const bucket = (at: number, mean: number | null, bad = 0): Bucket => ({ at, min: mean, max: mean, mean, count: mean === null ? 0 : 1, bad, thinned: false });

test("numbers are short and true", () => {
  const cases: [number | null, string][] = [
    [0, "0"], [-0, "0"], [1, "1"], [0.15234, "0.1523"], [0.1499, "0.1499"], [23.456, "23.46"], [99999, "99999"],
    [-5.25, "-5.25"], [100, "100"], [1e-7, "0"], [1e-5, "0.00001"], [null, "—"], [NaN, "—"], [Infinity, "—"],
  ];
  for (const [value, text] of cases) assert.equal(number(value), text);
});

test("each act has its address, also the release of a level, which belongs to the whole site", () => {
  assert.equal(path("release", ""), "/api/v1/warning/release");
  assert.equal(path("end", "一层 / floor 1"), `/api/v1/modes/${encodeURIComponent("一层 / floor 1")}/end`);
  assert.equal(path("note", "00a1"), "/api/v1/alarms/00a1/note");
});

test("a value is a word or a number, and nothing where it can't be believed", () => {
  const word = { zh: "打开", en: "open" };
  assert.equal(figure({ value: 1, quality: "good", word }, "zh-CN", "无"), "打开");
  assert.equal(figure({ value: 1, quality: "good", word }, "en", "none"), "open");
  assert.equal(figure({ value: 0.15234, quality: "uncertain", word: null }, "en", "none"), "0.1523");
  assert.equal(figure({ value: null, quality: "bad", word: null }, "en", "none"), "none");
  assert.equal(figure({ value: 1, quality: "bad", word }, "en", "none"), "none", "the last word of a lost point is no word");
});

test("ages are in the unit a person would use", () => {
  assert.equal(ago(99_999, words), "99 s");
  assert.equal(ago(100_000, words), "1 min");
  assert.equal(ago(12_600_000, words), "3.5 h");
  assert.equal(ago(172_800_000, words), "2 d");
  assert.equal(ago(-5_000, words), "0 s");
});

test("cards under a hand keep their places, and what is gone keeps its place, too", () => {
  assert.deepEqual(held(["a", "b", "c"], ["b", "c", "a"]), ["a", "b", "c"]);
  assert.deepEqual(held(["a", "b", "c"], ["c"]), ["a", "b", "c"]);
  assert.deepEqual(held(["a", "b"], ["n", "b", "m", "a"]), ["n", "a", "b", "m"]);
  assert.deepEqual(held([], ["x", "y"]), ["x", "y"]);
});

test("a list has shifted where another card stands in a place", () => {
  assert.equal(shifted(["a", "b"], ["a", "b", "c"]), false, "one more at the end");
  assert.equal(shifted(["a", "b"], ["b", "a"]), true);
  assert.equal(shifted(["a", "b"], ["n", "a", "b"]), true);
  assert.equal(shifted(["a", "b"], ["a"]), true);
  assert.equal(shifted([], ["a"]), false);
});

test("bad readings are a gap", () => {
  const made = series([bucket(0, 1), bucket(1000, null, 3), bucket(2000, 2)], 1000);
  assert.deepEqual(made.mean, [1, null, 2]);
});

test("a point that speaks seldom is one line, and its silence is a gap", () => {
  const seldom = [0, 10, 20, 30].map((n) => bucket(n * 1000, n));
  const empty = [1, 2, 11, 12].map((n) => bucket(n * 1000, null));
  const mixed = [...seldom, ...empty].sort((a, b) => a.at - b.at);
  assert.deepEqual(series(mixed, 1000).mean, [0, 10, 20, 30]);
  assert.deepEqual(series([...mixed, bucket(100_000, 7)], 1000).mean, [0, 10, 20, 30, null, 7]);
});

test("live values join the last column until the step is over", () => {
  const made = series([bucket(0, 1)], 10_000);
  append(made, 1_000, 3, 10_000);
  assert.deepEqual([made.min, made.max, made.mean], [[1], [3], [2]]);
  append(made, 10_000, 5, 10_000);
  assert.deepEqual(made.mean, [2, 5]);
  append(made, 9_000, 99, 10_000);
  assert.deepEqual(made.mean, [2, 5], "what is older than the newest changes nothing");
});

test("a live loss of the value is a gap at once and never a number", () => {
  const made = series([bucket(0, 1)], 10_000);
  append(made, 1_000, null, 10_000);
  append(made, 2_000, 4, 10_000);
  assert.deepEqual(made.mean, [1, null, 4]);
});

test("the old is forgotten", () => {
  const made = series([bucket(0, 1), bucket(1000, 2), bucket(2000, 3)], 1000);
  trim(made, 1500);
  assert.deepEqual([made.at, made.mean], [[2], [3]]);
});

test("every limit is in sight", () => {
  const [low, high] = extent(1, 2, [10]);
  assert.ok(low < 1 && high > 10);
  const [under, over] = extent(5, 5, []);
  assert.ok(under < 5 && over > 5);
  assert.deepEqual(extent(null, null, []), [0, 1]);
});
