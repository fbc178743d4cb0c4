// Acknowledge and reset: one press, with a name that is asked for once.

import { command, Refused } from "./api.ts";
import { refresh } from "./parts.ts";
import { the, toast, words } from "./page.ts";

const KEY = "gengfu.by";

export function start(after: (asked: number) => void): void {
  showName();
  the("who").addEventListener("click", () => void ask());
  the("name").addEventListener("close", closed);
  the("name-cancel").addEventListener("click", () => the<HTMLDialogElement>("name").close(""));
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("button[data-act]");
    if (button) void press(button, after);
  });
}

async function press(button: HTMLButtonElement, after: (asked: number) => void): Promise<void> {
  const { act = "", id = "" } = button.dataset;
  const by = localStorage.getItem(KEY) ?? (await ask());
  if (!by) return;
  button.disabled = true;
  try {
    const durable = await command(`/api/v1/alarms/${id}/${act}`, { by });
    toast(durable ? (words[`done_${act}`] ?? act) : (words["not_durable"] ?? ""), !durable);
  } catch (error) {
    const why = error instanceof Refused ? error.message : words["unreachable"];
    toast(`${words["failed"]}${why}`, true);
  }
  button.disabled = false;
  void refresh("alarms", after);
}

/** Who waits for the name. */
let answer: (name: string) => void = () => {};

/** Asks for the name; empty where the person would rather not. */
function ask(): Promise<string> {
  const dialog = the<HTMLDialogElement>("name");
  const field = the<HTMLInputElement>("name-field");
  answer("");
  field.value = localStorage.getItem(KEY) ?? "";
  dialog.returnValue = "";
  dialog.showModal();
  field.select();
  return new Promise((done) => (answer = done));
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
