// A search that goes on while this page listens. It ends with the page, and nothing of it is kept.

import type { KeepLookingBegan, SearchSummary } from "../gen/sightline/v1/search_pb.js";
import { search, trouble, wasCancelled, type Trouble } from "./api";
import { say } from "./me.svelte";
import type { Asking } from "./query";
import type { Card } from "./table.svelte";
import { count, millis } from "./words";

/** What came is shown, and told, once a second at most: a list that jumps can't be judged. */
const SHOW_EVERY = 1000;

export class Looking {
  /** The newest first. */
  cards = $state.raw<Card[]>([]);
  began = $state.raw<KeepLookingBegan | undefined>();
  summary = $state.raw<SearchSummary | undefined>();
  problem = $state.raw<Trouble | undefined>();
  busy = $state(true);
  readonly done: Promise<void>;
  #abort = new AbortController();
  #waiting: Card[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    asking: Asking,
    /** What is looked for, for people. */
    readonly says: string,
  ) {
    this.done = this.#run(asking);
  }

  stop() {
    this.#abort.abort();
  }

  #show() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#waiting.length) return;
    const known = new Set(this.cards.map((c) => c.id));
    const fresh = this.#waiting.filter((c) => !known.has(c.id)).reverse();
    this.#waiting = [];
    this.cards = [...fresh, ...this.cards];
    say(`${count(fresh.length, "new possible sighting")}, ${this.cards.length} in all`);
  }

  async #run(asking: Asking) {
    try {
      const request = { search: asking.request };
      for await (const { part } of search.keepLooking(request, { signal: this.#abort.signal })) {
        if (part.case === "began") this.began = part.value;
        else if (part.case === "summary") this.summary = part.value;
        else if (part.case === "hit") {
          const hit = part.value;
          const when = millis(hit.sighting?.best ?? hit.sighting?.first?.time);
          this.#waiting.push({ id: hit.sighting?.id ?? "", name: `new ${hit.rank}`, hit, when, pass: 0, came: Date.now() });
          this.#timer ??= setTimeout(() => this.#show(), SHOW_EVERY);
        }
      }
    } catch (error) {
      if (!wasCancelled(error)) this.problem = trouble(error);
    } finally {
      this.#show();
      this.busy = false;
    }
  }
}
