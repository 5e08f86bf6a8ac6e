// Lists come in pages; a view has the whole of one, or says that it has not.

import { Refusal } from "./session";

interface Page {
  nextPageToken: string;
}

/** A list that is still not at its end is longer than anybody can go through here. */
const MOST_PAGES = 100;

/** Every page of a list, one after the other. Nothing is left out without a word: whoever signs sees every camera. */
export async function everyPage<A extends Page, T>(ask: (pageToken: string) => Promise<A>, of: (answer: A) => T[]): Promise<T[]> {
  const all: T[] = [];
  let token = "";
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = await ask(token);
    for (const row of of(answer)) all.push(row);
    token = answer.nextPageToken;
    if (!token) return all;
  }
  throw new Refusal("too_long", "the list is longer than this page can show", "use the command line: its lists have --limit");
}
