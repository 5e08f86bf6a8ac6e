// What was found, and what the person thinks of it. Hits are in the memory of this page alone; verdicts and the tray are kept by
// the server with the case, and what it has not taken yet waits here.

import { Verdict as Kept } from "../gen/sightline/v1/cases_pb.js";
import type { Hit, SearchSummary } from "../gen/sightline/v1/search_pb.js";
import { cases, search, trouble, wasCancelled, type Trouble } from "./api";
import { everyPage } from "./pages";
import type { Asking } from "./query";
import { millis } from "./words";

export type Verdict = "yes" | "no" | "unsure";

/** A hit with its picture, which is kept as bytes until somebody is near to it. */
export interface Card {
  id: string;
  /** What people call it: #3 of a search, "new 3" of one that goes on. */
  name: string;
  hit: Hit;
  when: number;
  /** The rank of the best hit that may be of the same pass of one figure, as the server says; 0: this one. */
  pass: number;
  /** When it came, of a search that goes on; 0 of others. */
  came: number;
}

export class Results {
  cards = $state.raw<Card[]>([]);
  summary = $state.raw<SearchSummary | undefined>();
  problem = $state.raw<Trouble | undefined>();
  busy = $state(true);
  stopped = $state(false);
  readonly began = performance.now();
  /** Settles when nothing more comes of what was asked last, whatever the reason. */
  done: Promise<void>;
  #abort = new AbortController();

  constructor(readonly asking: Asking) {
    this.done = this.#run("");
  }

  get hasNext(): boolean {
    return !this.busy && !!this.summary?.nextPageToken;
  }

  /** The hits that come after these, if there are any: a search of its own. */
  next(): Promise<void> {
    if (!this.hasNext) return this.done;
    const token = this.summary?.nextPageToken ?? "";
    this.busy = true;
    this.stopped = false;
    this.problem = undefined;
    this.#abort = new AbortController();
    this.done = this.#run(token);
    return this.done;
  }

  stop() {
    this.stopped = true;
    this.#abort.abort();
  }

  /** A flush a frame, of 60 hits or 12 ms: a fast stream would leave the page no time to paint. */
  async #run(pageToken: string) {
    const before = this.cards;
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
      for await (const { part } of search.search({ ...this.asking.request, pageToken }, { signal: this.#abort.signal })) {
        if (part.case === "hit") {
          // Groups are numbered anew in each page.
          waiting.push(card(part.value, [...this.cards.slice(before.length), ...waiting]));
          if (waiting.length >= 60 || performance.now() - flushed > 12) await flush();
        } else if (part.case === "summary") {
          this.summary = part.value;
        }
      }
    } catch (error) {
      if (!wasCancelled(error)) this.problem = trouble(error);
    } finally {
      await flush();
      // A page is there or not: asked for once more it would bring the same hits again.
      if (pageToken && (this.problem || this.stopped)) this.cards = before;
      this.busy = false;
    }
  }
}

function card(hit: Hit, before: Card[]): Card {
  const s = hit.sighting;
  // An earlier server numbers none.
  const same = hit.group ? before.find((o) => o.hit.group === hit.group) : undefined;
  const when = millis(s?.best ?? s?.first?.time);
  return { id: s?.id ?? "", name: `#${hit.rank}`, hit, when, pass: same ? same.pass || same.hit.rank : 0, came: 0 };
}

/** A search of this page, to come back to. */
export interface Step {
  key: string;
  says: string;
  /** Its address. */
  at: string;
  results: Results;
  picture: Picture | undefined;
}
/** A picture as an example; in the memory of the page alone. */
export interface Picture {
  name: string;
  bytes: Uint8Array;
  on: boolean;
}
let steps = $state.raw<ReadonlyMap<string, Step[]>>(new Map());
/** The searches of a case in this page, the first one first. */
export const trail = (caseId: string) => steps.get(caseId) ?? [];

/** Searches by what was asked, so that back finds its hits again and takes nothing from the case's budget. */
const found = new Map<string, Results>();
const MOST_KEPT = 12;

export const known = (key: string) => found.get(key);

export function run(asking: Asking, picture?: Picture): Results {
  found.get(asking.key)?.stop();
  found.delete(asking.key);
  const results = new Results(asking);
  found.set(asking.key, results);
  for (const key of found.keys()) {
    if (found.size <= MOST_KEPT) break;
    found.delete(key);
  }
  const id = asking.request.caseId ?? "";
  const step = { key: asking.key, says: asking.says, at: location.pathname + location.search, results, picture };
  const others = trail(id).filter((s) => s.key !== asking.key && found.has(s.key));
  steps = new Map(steps).set(id, [...others, step]);
  return results;
}

const KEPT: Record<Verdict, Kept> = { yes: Kept.YES, no: Kept.NO, unsure: Kept.UNSURE };
const verdictOf = (kept: Kept) => (Object.keys(KEPT) as Verdict[]).find((v) => KEPT[v] === kept);

/** What the server has not taken yet of one sighting. */
interface Change {
  verdict?: Kept;
  inTray?: boolean;
}

/** As many as one request may change. */
const MOST_CHANGES = 200;
const AGAIN_AFTER = 3000;

/** Verdicts and tray of one case. */
export class Desk {
  /** The newest last. */
  verdicts = $state.raw<ReadonlyMap<string, Verdict>>(new Map());
  /** The card, where this page has seen it. */
  tray = $state.raw<ReadonlyMap<string, Card | undefined>>(new Map());
  marked = $state.raw<ReadonlyMap<string, Card>>(new Map());
  waiting = $state.raw<ReadonlyMap<string, Change>>(new Map());
  /** Why something is not kept yet, or was not taken at all. */
  problem = $state.raw<Trouble | undefined>();
  /** What was kept before could not be read. */
  unread = $state.raw<Trouble | undefined>();
  /** What each verdict took the place of; those of a range together. */
  #before: { id: string; was: Verdict | undefined }[][] = [];
  #sending = false;

  constructor(readonly caseId: string) {}

  /** What the server keeps; what waits here stands, as it is newer. */
  async load() {
    try {
      const marks = await everyPage((pageToken) => cases.listMarks({ caseId: this.caseId, pageToken }), (a) => a.marks);
      const cards = this.tray;
      const [verdicts, tray] = [new Map<string, Verdict>(), new Map<string, Card | undefined>()];
      for (const { sightingId: id, verdict, inTray } of marks.reverse()) {
        const waits = this.waiting.get(id);
        const said = waits?.verdict === undefined ? verdictOf(verdict) : this.verdicts.get(id);
        if (said) verdicts.set(id, said);
        if (waits?.inTray ?? inTray) tray.set(id, cards.get(id));
      }
      for (const [id, change] of this.waiting) {
        const said = this.verdicts.get(id);
        if (change.verdict !== undefined && said) verdicts.set(id, said);
        if (change.inTray) tray.set(id, cards.get(id));
      }
      this.verdicts = verdicts;
      this.tray = tray;
      this.unread = undefined;
    } catch (error) {
      this.unread = trouble(error);
    }
  }

  #keep(changes: [string, Change][]) {
    const waiting = new Map(this.waiting);
    for (const [id, change] of changes) waiting.set(id, { ...waiting.get(id), ...change });
    this.waiting = waiting;
    void this.send();
  }

  /** Everything that waits, until it is kept. What is refused is told, and holds back nothing else. */
  async send() {
    if (this.#sending) return;
    this.#sending = true;
    let most = MOST_CHANGES;
    try {
      while (this.waiting.size) {
        const batch = [...this.waiting].slice(0, most);
        const changes = batch.map(([sightingId, c]) => ({ sightingId, verdict: c.verdict ?? Kept.UNSPECIFIED, inTray: c.inTray }));
        try {
          await cases.setMarks({ caseId: this.caseId, changes });
          this.problem = undefined;
        } catch (error) {
          this.problem = trouble(error);
          if (!this.problem.refused) {
            setTimeout(() => void this.send(), AGAIN_AFTER);
            return;
          }
          // All of them or none: one that is gone must not cost the others.
          if (batch.length > 1) {
            most = 1;
            continue;
          }
        }
        const waiting = new Map(this.waiting);
        // What was changed again meanwhile has its own turn.
        for (const [id, change] of batch) if (waiting.get(id) === change) waiting.delete(id);
        this.waiting = waiting;
      }
    } finally {
      this.#sending = false;
    }
  }

  #say(said: { id: string; verdict: Verdict | undefined }[]) {
    const verdicts = new Map(this.verdicts);
    for (const { id, verdict } of said) {
      verdicts.delete(id);
      if (verdict) verdicts.set(id, verdict);
    }
    this.verdicts = verdicts;
    this.#keep(said.map(({ id, verdict }) => [id, { verdict: verdict ? KEPT[verdict] : Kept.NONE }]));
  }

  verdict(ids: string[], verdict: Verdict) {
    this.#before.push(ids.map((id) => ({ id, was: this.verdicts.get(id) })));
    this.#say(ids.map((id) => ({ id, verdict })));
  }

  /** Takes the last verdict back, or those of the last range; the ids it was about. */
  undo(): string[] {
    const last = this.#before.pop() ?? [];
    if (last.length) this.#say(last.map(({ id, was }) => ({ id, verdict: was })));
    return last.map(({ id }) => id);
  }

  keep(id: string, card?: Card): boolean {
    const tray = new Map(this.tray);
    if (!tray.delete(id)) tray.set(id, card);
    this.tray = tray;
    this.#keep([[id, { inTray: tray.has(id) }]]);
    return tray.has(id);
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
    const ids = [...this.tray.keys()];
    this.tray = new Map();
    this.#keep(ids.map((id) => [id, { inTray: false }]));
  }

  /** With this verdict, the newest first. */
  those(verdict: Verdict): string[] {
    return [...this.verdicts].filter(([, v]) => v === verdict).map(([id]) => id).reverse();
  }
}

const desks = new Map<string, Desk>();

export function desk(id: string): Desk {
  const there = desks.get(id) ?? new Desk(id);
  desks.set(id, there);
  return there;
}

addEventListener("beforeunload", (event) => {
  // Only what the server has not taken yet would be lost.
  if ([...desks.values()].some((d) => d.waiting.size)) event.preventDefault();
});
