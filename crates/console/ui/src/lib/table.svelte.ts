// What was found, and what the person thinks of it. In the memory of this page alone: neither is stored anywhere.

import type { Hit, SearchSummary } from "../gen/sightline/v1/search_pb.js";
import { search, trouble, wasCancelled, type Trouble } from "./api";
import type { Asking } from "./query";
import { millis } from "./words";

export type Verdict = "yes" | "no" | "unsure";

/** A hit with its picture, which is kept as bytes until somebody is near to it. */
export interface Card {
  id: string;
  hit: Hit;
  when: number;
  /** The rank of the best hit that may be of the same pass of one figure, as the server says; 0: this one. */
  pass: number;
}

export class Results {
  cards = $state.raw<Card[]>([]);
  summary = $state.raw<SearchSummary | undefined>();
  problem = $state.raw<Trouble | undefined>();
  busy = $state(true);
  stopped = $state(false);
  readonly began = performance.now();
  #abort = new AbortController();

  constructor(asking: Asking) {
    void this.#run(asking);
  }

  stop() {
    this.stopped = true;
    this.#abort.abort();
  }

  /** A flush a frame, of 60 hits or 12 ms: a fast stream would leave the page no time to paint. */
  async #run(asking: Asking) {
    let waiting: Card[] = [];
    let flushed = 0;
    const flush = async () => {
      if (!waiting.length) return;
      this.cards = this.cards.concat(waiting);
      waiting = [];
      await new Promise((painted) => (document.hidden ? setTimeout(painted) : requestAnimationFrame(painted)));
      flushed = performance.now();
    };
    try {
      for await (const { part } of search.search(asking.request, { signal: this.#abort.signal })) {
        if (part.case === "hit") {
          waiting.push(card(part.value, [...this.cards, ...waiting]));
          if (waiting.length >= 60 || performance.now() - flushed > 12) await flush();
        } else if (part.case === "summary") {
          this.summary = part.value;
        }
      }
    } catch (error) {
      if (!wasCancelled(error)) this.problem = trouble(error);
    } finally {
      await flush();
      this.busy = false;
    }
  }
}

function card(hit: Hit, before: Card[]): Card {
  const s = hit.sighting;
  // An earlier server numbers none.
  const same = hit.group ? before.find((o) => o.hit.group === hit.group) : undefined;
  return { id: s?.id ?? "", hit, when: millis(s?.best ?? s?.first?.time), pass: same ? same.pass || same.hit.rank : 0 };
}

/** Searches by what was asked, so that back finds its hits again and takes nothing from the case's budget. */
const found = new Map<string, Results>();
const MOST_KEPT = 12;

export const known = (key: string) => found.get(key);

export function run(asking: Asking): Results {
  found.get(asking.key)?.stop();
  found.delete(asking.key);
  const results = new Results(asking);
  found.set(asking.key, results);
  for (const key of found.keys()) {
    if (found.size <= MOST_KEPT) break;
    found.delete(key);
  }
  return results;
}

/** Verdicts and tray of one case. */
export class Desk {
  verdicts = $state.raw<ReadonlyMap<string, Verdict>>(new Map());
  tray = $state.raw<ReadonlyMap<string, Card>>(new Map());
  marked = $state.raw<ReadonlyMap<string, Card>>(new Map());
  #before: { id: string; was: Verdict | undefined }[] = [];

  verdict(id: string, verdict: Verdict) {
    this.#before.push({ id, was: this.verdicts.get(id) });
    this.verdicts = new Map(this.verdicts).set(id, verdict);
  }

  /** Takes the last verdict back; the id it was about. */
  undo(): string | undefined {
    const last = this.#before.pop();
    if (!last) return undefined;
    const verdicts = new Map(this.verdicts);
    if (last.was) verdicts.set(last.id, last.was);
    else verdicts.delete(last.id);
    this.verdicts = verdicts;
    return last.id;
  }

  keep(card: Card): boolean {
    const tray = new Map(this.tray);
    if (!tray.delete(card.id)) tray.set(card.id, card);
    this.tray = tray;
    return tray.has(card.id);
  }

  /** Up to four to look at side by side; a fifth is not taken. */
  mark(card: Card): boolean | undefined {
    const marked = new Map(this.marked);
    if (!marked.delete(card.id)) {
      if (marked.size >= 4) return undefined;
      marked.set(card.id, card);
    }
    this.marked = marked;
    return marked.has(card.id);
  }

  unmark() {
    this.marked = new Map();
  }

  emptied() {
    this.tray = new Map();
  }
}

const desks = new Map<string, Desk>();

export function desk(id: string): Desk {
  const there = desks.get(id) ?? new Desk();
  desks.set(id, there);
  return there;
}

addEventListener("beforeunload", (event) => {
  // Nothing is stored: what would be lost is worth a question.
  if ([...desks.values()].some((d) => d.verdicts.size || d.tray.size)) event.preventDefault();
});
