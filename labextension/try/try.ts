/** Two views of the attention panel with made-up numbers: /?tokens=4096&layers=32&heads=32&keys=8&all=1&dark=1 */

import { Store } from "../src/lib/store.ts";
import { headsView } from "../src/widgets/attention/heads.ts";
import { matrixView } from "../src/widgets/attention/matrix.ts";
import { INITIAL, type State } from "../src/widgets/attention/state.ts";
import type { Context } from "../src/widgets/attention/view.ts";
import { FakeSource } from "./fake-source.ts";

const asked = new URLSearchParams(location.search);
const number = (name: string, otherwise: number) => Number(asked.get(name) ?? otherwise);
const heads = number("heads", 12);
const source = new FakeSource({ tokens: number("tokens", 38), layers: number("layers", 12), heads, keyHeads: number("keys", heads), delay: number("delay", 15) });
const opened = await source.open();
const themes = new Set<() => void>();
let dark = asked.has("dark");

function paint(): void {
  document.documentElement.classList.toggle("dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  document.body.dataset["jpThemeLight"] = String(!dark);
}

const context: Context = {
  store: new Store<State>({ ...INITIAL, ...opened.chosen, score: "induction", all_heads: asked.has("all"), hide_sink: !asked.has("sink"), log: asked.has("log") }),
  source,
  opened,
  dark: () => dark,
  onTheme(callback) {
    themes.add(callback);
    return () => themes.delete(callback);
  },
  announce: (text) => (document.querySelector("output")!.textContent = text),
  failed: (error) => console.error(error),
  hover: new Store<{ query: number | null; key: number | null }>({ query: null, key: null }),
  made: new Store<{ token: number | null }>({ token: null }),
};

paint();
document.querySelector("main")!.append(headsView(context).element, matrixView(context).element);
document.querySelector("button")!.onclick = () => {
  dark = !dark;
  paint();
  for (const callback of themes) callback();
};
Object.assign(window, { panel: context });
