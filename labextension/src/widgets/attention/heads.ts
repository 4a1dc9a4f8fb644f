/** The heads to choose from: the dozen with the highest scores, or all of them, on one canvas. */

import { Endings, Latest } from "../../lib/asking.ts";
import { onResize, Surface } from "../../lib/canvas.ts";
import { sequential } from "../../lib/color.ts";
import { button, make, set } from "../../lib/elements.ts";
import { legend } from "../../lib/legend.ts";
import { grouped } from "../../lib/numbers.ts";
import { paletteOf } from "../../lib/palette.ts";
import { headName, partOf } from "./chosen.ts";
import { drawHeads, MARGIN } from "./heads-drawing.ts";
import { type Arrangement, byLayer, FEW, headAt, headsOf, inLines, type Layout, neighbour, ranked } from "./heads-layout.ts";
import { HeadPictures } from "./heads-pictures.ts";
import { HeadScores } from "./heads-scores.ts";
import { headInWords, statusInWords } from "./heads-words.ts";
import { wholeMap } from "./matrix-tiles.ts";
import type { Head, State } from "./state.ts";
import type { Context, MakeView } from "./view.ts";

/** Pixels; a taller grid is scrolled. */
const TALLEST = 560;
/** Weights, from which on all scores take seconds, so that something else is shown before them. */
const SLOW = 3e8;
/** Milliseconds that the pointer must stay on a head before its map is asked for, which a click would show. */
const RESTED = 30;

export const headsView: MakeView = (context: Context) => {
  const { store, opened } = context;
  const endings = new Endings();
  // Each panel has a bundle of its own, so counting would give two panels of a page the same.
  const cellId = `gpt-head-${Math.random().toString(36).slice(2)}`;
  const scaleLegend = legend();
  const all = button("", { does: "show all heads, or only those that matter most", key: "g", press: () => store.set({ all_heads: !store.get().all_heads }) });
  const order = button("by score", { does: "sort all heads by score instead of by layer", key: "o", press: () => toggle("sorted") });
  const colours = button("scores", { does: "colour each head by its score instead of showing its map", key: "c", press: () => toggle("coloured") });
  const stop = button("stop", { does: "stop fetching maps, or go on", press: () => halt() });
  const status = make("span", { class: "gpt-note" });
  const head = make("div", { class: "gpt-heads-head" }, status, stop, make("span", { class: "gpt-tools" }, order, colours, all));
  const cell = make("div", { role: "gridcell", id: cellId });
  const row = make("div", { role: "row", class: "gpt-hidden" }, cell);
  const window_ = make("div", { class: "gpt-heads-window" });
  const sizer = make("div", { class: "gpt-heads-sizer" }, window_);
  const scroller = make("div", { class: "gpt-heads-scroll", tabindex: 0, role: "grid", "aria-activedescendant": cellId }, row, sizer);
  const readout = make("div", { class: "gpt-readout" });
  const element = make("section", { class: "gpt-heads", "aria-label": "heads" }, head, scroller, make("div", { class: "gpt-matrix-foot" }, readout, scaleLegend.element));

  let [sorted, coloured, halted] = [false, false, false];
  let layout: Layout = { places: [], height: 0, below: 0, layers: [], groups: [] };
  let hovered: Head | null = null;
  const foresight = new Latest();
  let rested = 0;
  let ended = false;
  let active: Head | null = null;
  /** The heads that were shown last as the few, of which part and by which score, and one among them that is there as the chosen one. */
  let shown: { part: string; score: string; heads: Head[]; guest: Head | null } = { part: "", score: "", heads: [], guest: null };
  let palette = paletteOf(element, context.dark());
  let pictures = picturesOf(store.get());
  const scores = new HeadScores(context, () => arrange());
  const surface = new Surface(window_, (frame) => {
    const look = { asScores: coloured, dark: context.dark(), palette, scrolled: scroller.scrollTop };
    drawHeads(frame, { ...look, layout, pictures, scores: scores.colours(), state: store.get(), hovered, active });
  });

  function part() {
    return partOf(opened.info, store.get().part);
  }

  function picturesOf({ part: name, hide_sink }: Pick<State, "part" | "hide_sink">): HeadPictures {
    return new HeadPictures(context.source, { part: name, hide_sink }, { change: () => progressed(), failed: context.failed });
  }

  function arrangement(): Arrangement {
    return store.get().all_heads ? (sorted ? "score" : "layers") : "few";
  }

  /** Places the heads anew, and asks for the pictures that are missing. */
  function arrange(): void {
    const width = scroller.clientWidth - 2 * MARGIN;
    if (width <= 0) return;
    const how = arrangement();
    if (how === "score" || coloured || (how === "few" && meanwhile().length === 0)) askScores();
    const heads = headsOf(part());
    const values = scores.current.state === "there" ? scores.current.values : null;
    const best = values ? ranked(heads, values) : heads;
    const few = how === "few" ? fewest(values ? best.slice(0, FEW) : meanwhile()) : [];
    if (how === "layers") layout = byLayer(part(), width);
    else if (how === "score") layout = inLines(best, width, { least: 40, most: 44 });
    else layout = fewOf(few, width);
    const height = layout.height + 2 * MARGIN;
    sizer.style.height = `${height}px`;
    scroller.style.height = window_.style.height = `${Math.min(TALLEST, height)}px`;
    scroller.classList.toggle("gpt-scrolls", height > TALLEST);
    if (how !== "few") fetchAll(best);
    else if (few.length > 0) void pictures.some(few, { queries: part().n_queries, keys: part().n_keys }).then(askScores);
    progressed();
    describe();
  }

  /** The dozen with the chosen head in it, as the last one; while there are no scores, as with words missing, the ones before. */
  function fewest(best: Head[]): Head[] {
    const { layer, head: index, part: name, score } = store.get();
    const ofPart = shown.part === name;
    if (best.length === 0) return scores.current.state === "none" && ofPart ? shown.heads : [];
    const lacks = (wanted: Head) => best.length === FEW && !best.some((each) => same(each, wanted));
    // A guest stays until another head needs its place, so that a click on its neighbour moves nothing.
    const stays = ofPart && shown.score === score && shown.guest !== null && lacks(shown.guest) ? shown.guest : null;
    const guest = lacks({ layer, head: index }) ? { layer, head: index } : stays;
    const heads = guest === null ? best : [...best.slice(0, -1), guest];
    shown = { part: name, score, heads, guest };
    return heads;
  }

  /** The dozen, with its place kept empty until it is known which they are, so that nothing jumps. */
  function fewOf(few: Head[], width: number): Layout {
    const count = Math.min(FEW, headsOf(part()).length);
    const heads = Array.from({ length: count }, (_, i) => few[i] ?? { layer: -1, head: i });
    return inLines(heads, width, { least: 64, most: 104 });
  }

  /** Before scores that take long: the heads that the panel finds worth a look, if it knows some. */
  function meanwhile(): Head[] {
    const known = opened.info.parts[0]?.name === part().name ? opened.worth : undefined;
    const { n_queries, n_keys } = part();
    const slow = headsOf(part()).length * n_queries * n_keys > SLOW;
    return slow && ["unasked", "waiting"].includes(scores.current.state) ? (known ?? []) : [];
  }

  function fetchAll(best: Head[]): void {
    if (halted) return;
    // What is seen first comes first: the layers of the best heads, or the chosen layer and then from the top.
    const layers = sorted ? best.map(({ layer }) => layer) : [store.get().layer, ...part().heads.keys()];
    const present = layers.filter((layer) => (part().heads[layer] ?? 0) > 0);
    // All heads by layer are drawn without their scores, which are asked for when the maps have come or were stopped.
    void pictures.all([...new Set(present)], best.length).then(() => pictures.progress === null && askScores());
  }

  function askScores(): void {
    if (scores.current.state === "unasked" && !ended) scores.ask();
  }

  function halt(): void {
    halted = !halted;
    if (halted) pictures.stop();
    arrange();
  }

  function toggle(what: "sorted" | "coloured"): void {
    if (what === "sorted") sorted = !sorted;
    else coloured = !coloured;
    scroller.scrollTop = 0;
    arrange();
  }

  function progressed(): void {
    const told = statusInWords(scores.current, pictures.progress, halted && store.get().all_heads);
    const instead = store.get().all_heads || meanwhile().length === 0 ? "" : "meanwhile heads worth a look";
    const found = [told, instead].filter(Boolean).join(" · ");
    status.classList.toggle("gpt-pending", scores.current.state === "waiting" || pictures.progress !== null);
    status.textContent = found || `${grouped(headsOf(part()).length)} heads by ${store.get().score}`;
    stop.hidden = pictures.progress === null && !(halted && store.get().all_heads);
    stop.textContent = halted ? "go on" : "stop";
    surface.redraw();
    showLegend();
  }

  function describe(): void {
    const { all_heads, score } = store.get();
    const count = headsOf(part()).length;
    all.hidden = count <= FEW;
    all.textContent = all_heads ? `top ${FEW}` : `all ${grouped(count)}`;
    order.hidden = !all_heads;
    order.textContent = sorted ? "by layer" : "by score";
    colours.textContent = coloured ? "maps" : "scores";
    set(colours, { "aria-pressed": String(coloured) });
    set(order, { "aria-pressed": String(sorted) });
    const few = meanwhile().length > 0 ? `${FEW} heads worth a look until there are scores` : `The ${FEW} heads with the highest score, or the chosen one as the last`;
    const lines = new Set(layout.places.map(({ line }) => line)).size;
    set(scroller, {
      "aria-label": `${all_heads ? "All heads" : few}, ${score}. Arrows move, Enter chooses, Shift+Enter pins.`,
      "aria-rowcount": lines,
      "aria-colcount": Math.max(0, ...part().heads),
    });
    tell();
  }

  const sentence = (where: Head) => headInWords(where, part(), store.get(), scores.current);

  function tell(): void {
    const where = hovered ?? active ?? store.get();
    readout.textContent = sentence(where);
    const place = layout.places.findIndex((each) => each.layer === (active ?? store.get()).layer && each.head === (active ?? store.get()).head);
    set(row, { "aria-rowindex": (layout.places[place]?.line ?? 0) + 1 });
    set(cell, { "aria-colindex": (active ?? store.get()).head + 1, "aria-selected": String(active === null || same(active, store.get())) });
    cell.textContent = sentence(active ?? store.get());
    showLegend();
    surface.redraw();
  }

  function showLegend(): void {
    // Its place is kept while there is nothing to tell, so that nothing jumps.
    const seen = (now: boolean) => (scaleLegend.element.style.visibility = now ? "" : "hidden");
    if (coloured) {
      const found = scores.colours();
      seen(found !== null);
      if (found) scaleLegend.show({ title: store.get().score, ...found });
      return;
    }
    const where = hovered ?? active ?? store.get();
    const own = pictures.scale(where);
    seen(own !== undefined);
    const span = { low: 0, high: own?.end ?? 1, log: store.get().log };
    if (own) scaleLegend.show({ title: `mean weight in ${headName(where)}`, span, scale: sequential(context.dark()), beyond: own.peak > own.end });
  }

  function choose(where: Head, pin: boolean): void {
    if (where.layer < 0) return;
    const { layer, head: index } = where;
    const { pinned } = store.get();
    if (pin) store.set({ pinned: pinned && pinned.which !== 1 && same(pinned, where) ? null : { layer, head: index } });
    else store.set({ layer, head: index });
    context.announce(`${pin ? (store.get().pinned ? "pinned" : "unpinned") : "chosen"}: ${sentence(where)}`);
  }

  function at(event: MouseEvent): Head | null {
    const box = surface.canvas.getBoundingClientRect();
    const found = headAt(layout, event.clientX - box.left - MARGIN, event.clientY - box.top - MARGIN + scroller.scrollTop);
    return found && found.layer >= 0 ? { layer: found.layer, head: found.head } : null;
  }

  function pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = active ?? store.get();
    if (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") {
      const next = neighbour(layout, here, event.key);
      if (!next || next.layer < 0) return;
      active = { layer: next.layer, head: next.head };
      reveal(next.top, next.side + layout.below);
      tell();
    } else if (event.key === "Enter") choose(here, event.shiftKey);
    else if (event.key === "g" && !all.hidden) store.set({ all_heads: !store.get().all_heads });
    else if (event.key === "o" && !order.hidden) toggle("sorted");
    else if (event.key === "c") toggle("coloured");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Asks for the map that a click would show; if it doesn't come, that is said when somebody wants it. */
  function foresee(where: Head | null): void {
    clearTimeout(rested);
    foresight.end();
    if (where === null || same(where, store.get())) return;
    const { part: name, hide_sink } = store.get();
    const question = wholeMap({ which: 0, part: name, layer: where.layer, head: where.head, hide_sink }, { rows: part().n_queries, columns: part().n_keys });
    const nothing = () => undefined;
    rested = window.setTimeout(() => foresight.run((signal) => context.source.tile(question, { signal }), nothing, nothing), RESTED);
  }

  function reveal(top: number, height: number): void {
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height - scroller.clientHeight;
  }

  endings.listen(surface.canvas, "pointermove", (event) => {
    const next = at(event);
    if (same(next, hovered)) return;
    hovered = next;
    surface.canvas.style.cursor = next ? "pointer" : "";
    tell();
    foresee(next);
  });
  endings.listen(surface.canvas, "pointerleave", () => {
    hovered = null;
    tell();
    foresee(null);
  });
  endings.listen(surface.canvas, "click", (event) => {
    const where = at(event);
    if (!where) return;
    active = null;
    choose(where, event.shiftKey);
  });
  endings.listen(scroller, "scroll", () => surface.redraw(), { passive: true });
  endings.listen(scroller, "keydown", pressed);
  endings.listen(scroller, "blur", () => {
    active = null;
    tell();
  });
  endings.add(
    store.on(["part", "hide_sink"], () => {
      pictures.close();
      pictures = picturesOf(store.get());
      halted = false;
      arrange();
    }),
    store.on(["part", "score", "from", "to"], () => scores.ask()),
    store.on(["all_heads"], () => {
      halted = false;
      if (!store.get().all_heads) pictures.stop();
      scroller.scrollTop = 0;
      arrange();
    }),
    store.on(["layer", "head", "pinned", "ablated", "log"], tell),
    store.on(["layer", "head"], () => {
      const there = layout.places.some((each) => same(each, store.get()));
      if (!there && scores.current.state === "there" && !store.get().all_heads) arrange();
    }),
    context.onTheme(() => {
      palette = paletteOf(element, context.dark());
      tell();
    }),
  );
  endings.add(onResize(scroller, () => resize()));

  let width = 0;
  function resize(): void {
    if (scroller.clientWidth === width) return;
    width = scroller.clientWidth;
    palette = paletteOf(element, context.dark());
    arrange();
  }

  return {
    element,
    resize,
    destroy() {
      ended = true;
      endings.end();
      clearTimeout(rested);
      foresight.end();
      scores.close();
      pictures.close();
      surface.destroy();
      element.remove();
    },
  };
};

function same(one: Head | null, other: Head | null): boolean {
  return one === other || (one !== null && other !== null && one.layer === other.layer && one.head === other.head);
}
