// A mode of an area is begun: which, where, for how long and why.

import { send, who } from "./act.ts";
import { offer, the } from "./page.ts";
import { refresh } from "./parts.ts";

const dialog = (): HTMLDialogElement => the<HTMLDialogElement>("mode");

export function start(): void {
  the("begin").addEventListener("click", open);
  the("mode-ok").closest("form")?.addEventListener("submit", checked);
  the("mode-cancel").addEventListener("click", () => dialog().close(""));
  dialog().addEventListener("close", () => {
    if (dialog().returnValue === "ok") void begin();
  });
}

function open(): void {
  offer(the<HTMLSelectElement>("mode-for"), "begin");
  the<HTMLSelectElement>("mode-area").value = "";
  the<HTMLTextAreaElement>("mode-reason").value = "";
  the("mode-fault").hidden = true;
  dialog().returnValue = "";
  dialog().showModal();
}

function reason(): string {
  return the<HTMLTextAreaElement>("mode-reason").value.trim();
}

/** A mode without a reason is none: the question stays, and says so. */
function checked(event: Event): void {
  if (reason()) return;
  event.preventDefault();
  the("mode-fault").hidden = false;
  the("mode-reason").focus();
}

async function begin(): Promise<void> {
  const value = (id: string) => the<HTMLSelectElement>(id).value;
  const body = { mode: value("mode-name"), for: value("mode-for"), reason: reason() };
  const by = await who();
  if (!by) return;
  await send("begin", `/api/v1/modes/${encodeURIComponent(value("mode-area"))}/begin`, { by, ...body });
  void refresh("modes");
  void refresh("events");
}
