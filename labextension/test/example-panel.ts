/** The browser's half of a panel for tests: buttons that ask, and what came of it as text. */

import type { RenderProps } from "@anywidget/types";
import { floats } from "../src/lib/buffers.ts";
import { h } from "../src/lib/dom.ts";
import { Store } from "../src/lib/store.ts";
import { lostSign } from "../src/widgets/lost-sign.ts";
import { connect, PanelError, shareState } from "../src/widgets/panel.ts";

function render({ model, el, signal }: RenderProps): void {
  const panel = connect(model, signal);
  const store = new Store({ count: 0 });
  const said = h("output", { class: "said" });
  const count = h("span", { class: "count" });
  const show = () => (count.textContent = `count ${store.get().count}`);
  store.on(["count"], show);
  show();
  shareState(model, store, signal);

  const ask = (method: string) => async () => {
    const parts: number[] = [];
    said.textContent = "asked";
    try {
      const { result, buffers } = await panel.request<object, { part: number }>(
        method,
        { count: 3 },
        { signal: waiting.signal, onPart: ({ result: { part } }) => parts.push(part) },
      );
      const sum = buffers.flatMap((buffer) => [...floats(buffer)]).reduce((one, other) => one + other, 0);
      said.textContent = `${JSON.stringify(result)} parts ${parts} sum ${sum}`;
    } catch (error) {
      said.textContent = error instanceof PanelError ? `${error.code}: ${error.message}` : (error as Error).name;
    }
  };
  let waiting = new AbortController();
  const cancel = () => {
    waiting.abort();
    waiting = new AbortController();
  };
  const button = (text: string, onclick: () => void) => h("button", { class: text, onclick, signal }, text);
  el.append(
    lostSign(panel, signal),
    ...["numbers", "wait", "fail"].map((method) => button(method, ask(method))),
    button("cancel", cancel),
    button("more", () => store.set({ count: store.get().count + 1 })),
    count,
    said,
  );
}

export default { render };
