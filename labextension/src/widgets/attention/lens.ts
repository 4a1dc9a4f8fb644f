/** What the model would say after the chosen token if it ended after each layer. */

import { Endings, Latest } from "../../lib/asking.ts";
import { make, quoted } from "../../lib/elements.ts";
import { insteadOf } from "../../lib/notices.ts";
import type { Lens, Token } from "../../protocol.ts";
import { positionOf } from "./chosen.ts";
import { barCell } from "./predictions.ts";
import type { Context, View } from "./view.ts";

const GUESSES = 3;

export function lensView({ store, source, opened, failed }: Context): View {
  const element = make("div", { class: "gpt-lens" });
  const endings = new Endings();
  const latest = new Latest();
  const spokenTokens = opened.info.target_tokens.length > 0 ? opened.info.target_tokens : opened.info.tokens;

  const show = (lens: Lens): void => {
    const next = spokenTokens[lens.position + 1];
    const rows = lens.layers.map((tokens, layer) => rowOf(layer === 0 ? "in" : `L${layer - 1}`, tokens, next));
    const came = next === undefined ? [] : ["; ▸ what came: ", quoted(next)];
    element.replaceChildren(
      make("p", { class: "gpt-explains" }, "after ", quoted(spokenTokens[lens.position]), ` (${lens.position}), by layer`, ...came),
      make("table", { class: "gpt-table" }, make("tbody", {}, ...rows)),
    );
  };
  const ask = (): void => {
    if (!opened.info.causal) {
      element.replaceChildren(make("p", { class: "gpt-explains" }, "This model predicts no next token, so there is no lens."));
      return;
    }
    const position = positionOf(store.get(), opened.info);
    latest.run(
      (signal) => source.lens({ position, k: GUESSES }, { signal }),
      show,
      (error) => element.replaceChildren(insteadOf(error, failed)),
    );
  };
  endings.add(store.on(["query", "key", "direction", "part"], ask), () => latest.end());
  ask();
  return { element, destroy: () => endings.end() };
}

function rowOf(name: string, tokens: Token[], next: Token | undefined): HTMLElement {
  const cells = Array.from({ length: GUESSES }, (_, guess) => {
    const token = tokens[guess];
    return barCell(token, token !== undefined && token.id === next?.id);
  });
  return make("tr", {}, make("th", { scope: "row" }, name), ...cells);
}
