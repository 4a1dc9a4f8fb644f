/** Heads switched off, and how what the model would say next changes. */

import { Endings, Latest } from "../../lib/asking.ts";
import { button, make, quoted } from "../../lib/elements.ts";
import { insteadOf } from "../../lib/notices.ts";
import { percent, short } from "../../lib/numbers.ts";
import { spoken, tokenElement } from "../../lib/text.ts";
import type { Ablated, Token } from "../../protocol.ts";
import { headName, positionOf } from "./chosen.ts";
import { probabilityOf } from "./predictions.ts";
import type { Head, State } from "./state.ts";
import type { Context, View } from "./view.ts";

const ASKED = 20;
const SHOWN = 8;

export function ablateView({ store, source, opened, failed, announce }: Context): View {
  const chips = make("div", { class: "gpt-chips" });
  const result = make("div", { "aria-live": "polite" });
  const element = make("div", { class: "gpt-ablate" }, chips, result);
  const endings = new Endings();
  const latest = new Latest();
  const tokens = opened.info.target_tokens.length > 0 ? opened.info.target_tokens : opened.info.tokens;

  const showChips = (): void => {
    const { ablated, layer, head, pinned } = store.get();
    const off = ablated.map(([l, h]) =>
      button(`${headName({ layer: l, head: h })} ×`, {
        does: `switch layer ${l} head ${h} on again`,
        class: "gpt-off",
        press: () => store.set({ ablated: toggled(ablated, { layer: l, head: h }) }),
      }),
    );
    const candidates = [{ layer, head }, ...(pinned === null || pinned.which === 1 ? [] : [pinned])];
    const more = candidates
      .filter((each, index) => !isOff(ablated, each) && (index === 0 || headName(each) !== headName(candidates[0]!)))
      .map((each, index) =>
        button(`+ ${headName(each)}`, {
          does: `switch layer ${each.layer} head ${each.head} off`,
          ...(index === 0 && { key: "x" }),
          press: () => store.set({ ablated: toggled(ablated, each) }),
        }),
      );
    const clear = off.length > 1 ? [button("all on", { does: "switch all heads on again", press: () => store.set({ ablated: [] }) })] : [];
    chips.replaceChildren(make("span", { class: "gpt-faint-text" }, "off"), ...off, ...more, ...clear);
  };

  const show = (found: Ablated): void => {
    result.replaceChildren(
      make(
        "p",
        { class: "gpt-explains" },
        ...["KL ", make("b", { class: "gpt-number" }, short(found.kl, 3)), " nats, after "],
        ...[quoted(tokens[found.position]), ` (${found.position})`],
      ),
      comparison(found),
    );
    announce(`KL ${short(found.kl)} nats`);
  };

  const ask = (): void => {
    showChips();
    const state = store.get();
    latest.end();
    const why = !opened.info.causal
      ? "This model predicts no next token, so nothing can be compared."
      : state.ablated.length === 0
        ? "Switch a head off to see how the next token changes."
        : null;
    if (why !== null) {
      result.replaceChildren(make("p", { class: "gpt-explains" }, why));
      return;
    }
    const question = { heads: state.ablated, position: positionOf(state, opened.info), k: ASKED };
    result.classList.add("gpt-waits");
    latest.run(
      (signal) => source.ablate(question, { signal }),
      (found) => {
        result.classList.remove("gpt-waits");
        show(found);
      },
      (error) => {
        result.classList.remove("gpt-waits");
        result.replaceChildren(insteadOf(error, failed));
      },
    );
  };
  endings.add(
    store.on(["ablated", "query", "key", "direction", "part"], ask),
    store.on(["layer", "head", "pinned"], showChips),
    () => latest.end(),
  );
  ask();
  return { element, destroy: () => endings.end() };
}

/** The heads that are off with one more, or without it where it was off. */
export function toggled(ablated: State["ablated"], { layer, head }: Head): State["ablated"] {
  if (isOff(ablated, { layer, head })) return ablated.filter(([l, h]) => l !== layer || h !== head);
  return [...ablated, [layer, head]];
}

function isOff(ablated: State["ablated"], { layer, head }: Head): boolean {
  return ablated.some(([l, h]) => l === layer && h === head);
}

/** The most probable tokens of both, with two bars each: before above after. */
function comparison({ before, after }: Ablated): HTMLElement {
  const [old, now] = [before, after].map((tokens) => new Map(tokens.map((token) => [token.id, token])));
  const most = (token: Token): number => Math.max(...[old, now].map((each) => chance(each!, token.id) ?? 0));
  const all = new Map([...before, ...after].map((token) => [token.id, token]));
  const shown = [...all.values()].sort((one, other) => most(other) - most(one)).slice(0, SHOWN);
  const scale = Math.max(...shown.map(most), 1e-9);
  const rows = shown.map((token) => {
    const pair = [chance(old!, token.id), chance(now!, token.id)];
    const bars = pair.map((share, index) => {
      const bar = make("span", { class: `gpt-bar ${index === 0 ? "gpt-before" : "gpt-after"}` });
      bar.style.width = `${(100 * (share ?? 0)) / scale}%`;
      return bar;
    });
    const [was, is] = pair.map((share) => (share === undefined ? "–" : percent(share)));
    const grown = (pair[1] ?? 0) > (pair[0] ?? 0) ? "↗ " : "↘ ";
    return make(
      "tr",
      { title: `${spoken(token)}: ${was} before, ${is} after` },
      make("th", { scope: "row" }, tokenElement(token)),
      make("td", { class: "gpt-bars" }, ...bars),
      make("td", { class: "gpt-number gpt-faint-text" }, was!),
      make("td", { class: "gpt-number" }, `${was === is ? "" : grown}${is!}`),
    );
  });
  const names = ["before", "after"].map((name) => make("th", { class: "gpt-number" }, name));
  const head = make("tr", {}, make("th"), make("th"), ...names);
  return make("table", { class: "gpt-table" }, make("thead", {}, head), make("tbody", {}, ...rows));
}

function chance(tokens: Map<number, Token>, id: number): number | undefined {
  const token = tokens.get(id);
  return token === undefined ? undefined : probabilityOf(token);
}
