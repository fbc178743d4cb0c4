// Acknowledge and reset: one press, with a name that is asked for once. A reset, and whoever wants to leave a note, is asked
// first.

import { command, Refused } from "./api.ts";
import { acted, settled } from "./cards.ts";
import { refresh } from "./parts.ts";
import { the, toast, words } from "./page.ts";

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
  const note = button.dataset["ask"] === undefined ? "" : await confirm(button, act);
  if (note === null) return;
  const by = localStorage.getItem(KEY) ?? (await ask());
  if (!by) return;
  const sort = () => void refresh("alarms", after);
  acted(sort);
  button.disabled = true;
  try {
    const durable = await command(`/api/v1/alarms/${id}/${act}`, note ? { by, note } : { by });
    toast(durable ? (words[`done_${act}`] ?? act) : (words["not_durable"] ?? ""), !durable);
  } catch (error) {
    const why = error instanceof Refused ? error.message : words["unreachable"];
    toast(`${words["failed"]}${why}`, true);
  }
  button.disabled = false;
  acted(sort);
  void refresh("alarms", after);
  void refresh("events");
}

/** Who waits for the answer to a question. */
let decide: (note: string | null) => void = () => {};
let opened = 0;

/** Asks whether it is meant; the note that goes with it, or null where the person would rather not. */
function confirm(button: HTMLButtonElement, act: string): Promise<string | null> {
  const dialog = the<HTMLDialogElement>("confirm");
  decide(null);
  the("confirm-title").textContent = words[`confirm_${act}`] ?? act;
  the("confirm-what").textContent = button.closest(".card")?.querySelector("h3")?.textContent ?? "";
  the("confirm-means").textContent = words[`means_${act}`] ?? "";
  the("confirm-ok").textContent = words[`ok_${act}`] ?? act;
  the<HTMLTextAreaElement>("confirm-note").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  the("confirm-note").focus();
  opened = performance.now();
  return new Promise((done) => (decide = done));
}

function looked(event: Event): void {
  if (performance.now() - opened < LOOK_MS) event.preventDefault();
}

function confirmed(): void {
  const dialog = the<HTMLDialogElement>("confirm");
  if (dialog.open) return;
  const note = the<HTMLTextAreaElement>("confirm-note").value.trim();
  decide(dialog.returnValue === "ok" ? note : null);
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
