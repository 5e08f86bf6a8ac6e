// The keys of the view that is shown. One list does both: it is carried out, and it is what `?` shows.

export interface Key {
  /** As `KeyboardEvent.key` says it; several do the same. */
  keys: string[];
  /** What it does, for the overlay. */
  does: string;
  run?: (event: KeyboardEvent) => void;
  /** Where it counts; empty: everywhere in the view. */
  within?: string;
}

let lists = $state.raw<Key[][]>([]);
// An effect that read what it changes would run for ever.
let registered: Key[][] = [];

export const keys = {
  get all() {
    return lists.flat();
  },
};

/** The view's keys for as long as it is there; call it in an effect. A key does one thing on a screen: a second is a fault. */
export function useKeys(list: Key[]) {
  registered = [...registered, list];
  lists = registered;
  const all = registered.flat().flatMap((one) => one.keys);
  const twice = all.filter((key, i) => all.indexOf(key) < i);
  if (twice.length) reportError(new Error(`two things on this screen have the key ${twice.join(", ")}`));
  return () => {
    registered = registered.filter((one) => one !== list);
    lists = registered;
  };
}

const TYPING = 'input:not([type="checkbox"], [type="radio"]), textarea, select, [contenteditable]';

export function press(event: KeyboardEvent) {
  const target = event.target as Element | null;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || target?.closest(TYPING)) return;
  const inDialog = document.querySelector("dialog[open]");
  for (const key of keys.all) {
    if (!key.run || !key.keys.includes(event.key)) continue;
    if (inDialog && !(key.within && inDialog.matches(key.within))) continue;
    // Nothing has the focus: whoever presses a key of the list means the list.
    if (key.within && target !== document.body && !target?.closest(key.within) && !inDialog) continue;
    // Enter and space are the button's or the link's own.
    if ((event.key === "Enter" || event.key === " ") && target?.closest("a, button, summary, input, [role=option]")) continue;
    event.preventDefault();
    key.run(event);
    return;
  }
}

export const keyName = (key: string) =>
  ({ ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Enter: "Enter", Escape: "Esc" })[key] ?? key;
