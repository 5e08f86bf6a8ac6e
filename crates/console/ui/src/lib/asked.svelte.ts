// What was asked of the server: the answer, that it is on its way, or what went wrong; and when it was given.

import { trouble, wasCancelled, type Trouble } from "./api";

export class Asked<T> {
  answer = $state.raw<T | undefined>();
  problem = $state.raw<Trouble | undefined>();
  busy = $state(false);
  when = $state(0);
  #turn = 0;

  /** Asks; an answer that comes after a later question is not shown. What there was stays until the new one is here. */
  async ask(question: () => Promise<T>): Promise<T | undefined> {
    const turn = ++this.#turn;
    this.busy = true;
    try {
      const answer = await question();
      if (turn !== this.#turn) return undefined;
      this.answer = answer;
      this.problem = undefined;
      this.when = Date.now();
      return answer;
    } catch (error) {
      if (turn === this.#turn && !wasCancelled(error)) this.problem = trouble(error);
      return undefined;
    } finally {
      if (turn === this.#turn) this.busy = false;
    }
  }

  /** Something else is asked about now: what was said of the other thing, and what is still to come of it, is not of this one. */
  forget() {
    this.#turn++;
    this.answer = undefined;
    this.problem = undefined;
    this.busy = false;
  }
}
