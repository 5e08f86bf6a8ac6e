// Lists come in pages; what a view shows is the whole of one, or says that there is more.

interface Page {
  nextPageToken: string;
}

/** A view shows no more than a person can go through. */
const MOST_PAGES = 20;

/** Every page of a list, one after the other. */
export async function everyPage<A extends Page, T>(ask: (pageToken: string) => Promise<A>, of: (answer: A) => T[]): Promise<T[]> {
  const all: T[] = [];
  let token = "";
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = await ask(token);
    all.push(...of(answer));
    token = answer.nextPageToken;
    if (!token) break;
  }
  return all;
}
