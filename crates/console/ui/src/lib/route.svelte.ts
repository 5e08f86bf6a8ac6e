// Where the person is: every state of the page has an address, so that back, forward and a note in a file find it again.

const read = () => ({ path: location.pathname, query: new URLSearchParams(location.search) });

let now = $state.raw(read());

addEventListener("popstate", () => {
  now = read();
});

export const here = {
  get path() {
    return now.path;
  },
  get query() {
    return now.query;
  },
};

export function go(to: string, replace = false) {
  if (to === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  const moved = now.path !== location.pathname;
  now = read();
  if (moved) scrollTo(0, 0);
}

/** The same view with other values; an empty one is left out. */
export function set(values: Record<string, string | string[]>, replace = true) {
  const query = new URLSearchParams(now.query);
  for (const [name, value] of Object.entries(values)) {
    query.delete(name);
    for (const one of typeof value === "string" ? [value] : value) if (one) query.append(name, one);
  }
  const text = query.toString();
  go(now.path + (text ? `?${text}` : ""), replace);
}

/** Links within the page stay within it. */
export function follow(event: MouseEvent) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest("a");
  if (!link || link.origin !== location.origin || link.hasAttribute("download") || link.getAttribute("href")?.startsWith("#")) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
