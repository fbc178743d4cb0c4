// What a person does to an alarm or to a mode that runs: one press, with a name that is asked for once. What needs words (a
// reason, a time, a note) or a second thought is asked about first.

import { command, Refused } from "./api.ts";
import { acted, settled } from "./cards.ts";
import { refresh } from "./parts.ts";
import { offer, the, toast, words } from "./page.ts";
import { path } from "./pure.ts";

/** What is asked before an act: a time, a one-shot, and words that must be there. */
interface Question {
  length?: true;
  once?: true;
  must?: "why" | "text";
}

const ASKED: Record<string, Question> = {
  shelve: { length: true, once: true, must: "why" },
  "out-of-service": { length: true, must: "why" },
  note: { must: "text" },
};

/** What a person said to it, as the API takes it. */
type Said = Record<string, string | boolean>;

const KEY = "gengfu.by";
/** The click that opened a question must not answer it, too. */
const LOOK_MS = 700;

export function start(after: (asked: number) => void): void {
  showName();
  the("who").addEventListener("click", () => void ask());
  the("name").addEventListener("close", closed);
  the("name-field").closest("form")?.addEventListener("submit", named);
  the("name-cancel").addEventListener("click", () => the<HTMLDialogElement>("name").close(""));
  the("confirm").addEventListener("close", confirmed);
  the("confirm-ok").closest("form")?.addEventListener("submit", looked);
  the("confirm-cancel").addEventListener("click", () => the<HTMLDialogElement>("confirm").close(""));
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("button[data-act]");
    if (!button) return;
    if (settled(event.detail)) void press(button, after);
    else if (event.detail < 2) toast(words["settling"] ?? "");
  });
}

async function press(button: HTMLButtonElement, after: (asked: number) => void): Promise<void> {
  const { act = "", id = "" } = button.dataset;
  const said = button.dataset["ask"] === undefined ? {} : await confirm(button, act);
  if (said === null) return;
  const by = await who();
  if (!by) return;
  const sort = () => void refresh("alarms", after);
  acted(sort);
  button.disabled = true;
  await send(act, path(act, id), { by, ...said });
  button.disabled = false;
  acted(sort);
  void refresh("alarms", after);
  void refresh("events");
  if (act === "end") void refresh("modes");
  if (act === "release") void refresh("levels");
}

/** Sends it and says how it ended; whether it was carried out. */
export async function send(act: string, path: string, body: Said): Promise<boolean> {
  try {
    const durable = await command(path, body);
    toast(durable ? (words[`done_${act}`] ?? act) : (words["not_durable"] ?? ""), !durable);
    return true;
  } catch (error) {
    const why = error instanceof Refused ? error.message : words["unreachable"];
    toast(`${words["failed"]}${why}`, true);
    return false;
  }
}

/** The name of whoever is here, asked for once; empty where the person would rather not. */
export async function who(): Promise<string> {
  return localStorage.getItem(KEY) ?? (await ask());
}

/** Who waits for the answer to a question, and what it is about. */
let decide: (said: Said | null) => void = () => {};
let about = "";
let opened = 0;

/** Asks whether it is meant; what was said to it, or null where the person would rather not. */
function confirm(button: HTMLButtonElement, act: string): Promise<Said | null> {
  const dialog = the<HTMLDialogElement>("confirm");
  decide(null);
  about = act;
  const { length, once, must } = ASKED[act] ?? {};
  the("confirm-title").textContent = words[`confirm_${act}`] ?? act;
  const heading = button.closest(".card, [data-alarm], .mode, .level")?.querySelector("h3, strong");
  the("confirm-what").textContent = heading?.textContent ?? "";
  the("confirm-means").textContent = words[`means_${act}`] ?? "";
  the("confirm-ok").textContent = words[`ok_${act}`] ?? act;
  the("confirm-length").hidden = !length;
  the("confirm-shot").hidden = !once;
  offer(the<HTMLSelectElement>("confirm-for"), act);
  the<HTMLInputElement>("confirm-once").checked = false;
  the("confirm-note-label").textContent = words[must ?? "note"] ?? "";
  the("confirm-fault").hidden = true;
  the<HTMLTextAreaElement>("confirm-note").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  the("confirm-note").focus();
  opened = performance.now();
  return new Promise((done) => (decide = done));
}

function looked(event: Event): void {
  const empty = ASKED[about]?.must !== undefined && !written();
  the("confirm-fault").hidden = !empty;
  if (empty) the("confirm-note").focus();
  if (empty || performance.now() - opened < LOOK_MS) event.preventDefault();
}

function written(): string {
  return the<HTMLTextAreaElement>("confirm-note").value.trim();
}

function confirmed(): void {
  const dialog = the<HTMLDialogElement>("confirm");
  if (dialog.open) return;
  decide(dialog.returnValue === "ok" ? said(about) : null);
}

function said(act: string): Said {
  const { length, once, must } = ASKED[act] ?? {};
  const out: Said = {};
  if (length) out["for"] = the<HTMLSelectElement>("confirm-for").value;
  if (once) out["one_shot"] = the<HTMLInputElement>("confirm-once").checked;
  const text = written();
  if (text) out[must === "why" || act === "end" ? "reason" : "note"] = text;
  return out;
}

/** Who waits for the name. */
let answer: (name: string) => void = () => {};

/** Asks for the name; empty where the person would rather not. */
function ask(): Promise<string> {
  const dialog = the<HTMLDialogElement>("name");
  const field = the<HTMLInputElement>("name-field");
  answer("");
  field.value = localStorage.getItem(KEY) ?? "";
  the("name-fault").hidden = true;
  dialog.returnValue = "";
  dialog.showModal();
  field.select();
  return new Promise((done) => (answer = done));
}

/** Blanks are no name: the question stays, and says so. */
function named(event: Event): void {
  const field = the<HTMLInputElement>("name-field");
  if (field.value.trim()) return;
  event.preventDefault();
  the("name-fault").hidden = false;
  field.focus();
}

function closed(): void {
  const dialog = the<HTMLDialogElement>("name");
  // Told late, of the question before: a new one is on the screen already, and must not be answered by it.
  if (dialog.open) return;
  const name = dialog.returnValue === "ok" ? the<HTMLInputElement>("name-field").value.trim() : "";
  if (name) localStorage.setItem(KEY, name);
  showName();
  answer(name);
}

function showName(): void {
  const name = localStorage.getItem(KEY);
  const button = the("who");
  button.hidden = !name;
  button.textContent = `${words["you"]}${name ?? ""}`;
}
