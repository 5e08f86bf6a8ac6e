// A search, as chips and as an address. Chips that are off stay in the address: nothing is lost by trying without.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Case } from "../gen/sightline/v1/cases_pb.js";
import { DescriptionQuerySchema, ExampleSchema, SearchRequestSchema, Travel, type DescriptionQuery, type Example } from "../gen/sightline/v1/search_pb.js";
import { Carried, Class, Colour, DescriptionPart, Stature } from "../gen/sightline/v1/vocabulary_pb.js";
import { allowsStature } from "./cases";
import { all, carriedName, className, colourName, stamp, statureName } from "./words";

export type Part = "class" | "upper" | "lower" | "carrying" | "vehicle" | "stature" | "nocolour" | "like" | "unlike" | "reach" | "marks";

export interface Chip {
  part: Part;
  /** Of the part's enum; 0 for an example. */
  value: number;
  /** The id of the sighting of an example. */
  id?: string;
  label: string;
}

const chip = (part: Part, value: number, label: string): Chip => ({ part, value, label });

/** Sightings of which no colour is known, as by night or in infrared. */
export const NO_COLOUR = chip("nocolour", 1, "no colour known");
/** "More like these, not like those": what the verdicts of the case say. */
export const BY_MARKS = chip("marks", 1, "like your yes, not like your no");
const EXAMPLES = { like: "like", unlike: "not like", reach: "reachable from" };
/** A sighting to be like, not to be like, or to have come from. */
export const example = (part: keyof typeof EXAMPLES, id: string): Chip => ({ part, value: 0, id, label: `${EXAMPLES[part]} sighting ${id.slice(0, 8)}` });
const isExample = (part: string): part is keyof typeof EXAMPLES => part in EXAMPLES;
const COLOURS: Part[] = ["upper", "lower", "vehicle"];
/** Of these there may be several at once. */
const MANY: Part[] = ["carrying", "like", "unlike"];

/** Every word that may be asked of a case. */
export function vocabulary(c: Case): Chip[] {
  const scope = c.scope;
  const classes = scope?.classes.length ? scope.classes : all<Class>(Class);
  const may = (part: DescriptionPart) => !scope?.parts.length || scope.parts.includes(part);
  const chips = classes.map((v) => chip("class", v, className(v)));
  if (may(DescriptionPart.UPPER)) chips.push(...all<Colour>(Colour).map((v) => chip("upper", v, `${colourName(v)} above the waist`)));
  if (may(DescriptionPart.LOWER)) chips.push(...all<Colour>(Colour).map((v) => chip("lower", v, `${colourName(v)} below the waist`)));
  if (may(DescriptionPart.CARRYING)) chips.push(...all<Carried>(Carried).map((v) => chip("carrying", v, `carries a ${carriedName(v)}`)));
  if (may(DescriptionPart.VEHICLE_COLOUR)) chips.push(...all<Colour>(Colour).map((v) => chip("vehicle", v, `${colourName(v)} vehicle`)));
  if (may(DescriptionPart.STATURE) && allowsStature(c.purpose)) chips.push(...all<Stature>(Stature).map((v) => chip("stature", v, `${statureName(v)} stature`)));
  chips.push(NO_COLOUR, BY_MARKS);
  return chips;
}

/** Those that the address names: `on` count, `off` are kept. */
export function chipsOf(query: URLSearchParams, words: Chip[]): { chip: Chip; on: boolean }[] {
  const found: { chip: Chip; on: boolean }[] = [];
  for (const name of query.getAll("word")) {
    const on = !name.startsWith("-");
    const [part, value] = (on ? name : name.slice(1)).split(".");
    if (part && isExample(part) && value) {
      found.push({ chip: example(part, value), on });
      continue;
    }
    const known = words.find((w) => w.part === part && String(w.value) === value);
    if (known) found.push({ chip: known, on });
  }
  return found;
}

export const nameOf = (c: Chip, on: boolean) => `${on ? "" : "-"}${c.part}.${c.id ?? c.value}`;

/** Adding a word to a part that holds one turns the other off; things carried and examples add up. */
export function withChip(chips: { chip: Chip; on: boolean }[], added: Chip): string[] {
  const same = (c: Chip) => c.part === added.part && c.value === added.value && c.id === added.id;
  // An example is one to be like or one not to be like.
  const opposite = (c: Chip) => added.id !== undefined && c.id === added.id && added.part !== "reach" && c.part !== "reach";
  const rest = chips.filter((c) => !same(c.chip) && !opposite(c.chip));
  const off = (c: Chip) =>
    (c.part === added.part && !MANY.includes(c.part)) ||
    (added.part === "nocolour" && COLOURS.includes(c.part)) ||
    (c.part === "nocolour" && COLOURS.includes(added.part));
  const names = rest.map((c) => nameOf(c.chip, c.on && !off(c.chip)));
  return [...names, nameOf(added, true)];
}

/** Local time as an `<input type="datetime-local">` has it. */
export const fromInput = (text: string) => (text ? new Date(text).getTime() : NaN);

/** Sightings with a verdict, the newest first. */
export interface Marks {
  yes: string[];
  no: string[];
}

export interface Asking {
  request: MessageInitShape<typeof SearchRequestSchema>;
  /** What makes two searches the same. */
  key: string;
  nothing: boolean;
  /** What is asked, for people. */
  says: string;
  /** How many verdicts the ranking is learned from; absent where it is not learned from verdicts. */
  learned: { yes: number; no: number } | undefined;
}

/** As many examples as a search may have. */
const MOST_LIKE = 20;
const MOST_UNLIKE = 100;

export function asking(c: Case, query: URLSearchParams, chips: { chip: Chip; on: boolean }[], picture: Uint8Array | undefined, marks: Marks): Asking {
  const on = chips.filter((x) => x.on).map((x) => x.chip);
  const one = (part: Part) => on.find((x) => x.part === part)?.value ?? 0;
  const description: DescriptionQuery = create(DescriptionQuerySchema, {
    class: one("class"),
    upper: one("upper"),
    lower: one("lower"),
    carrying: on.filter((x) => x.part === "carrying").map((x) => x.value),
    vehicleColour: one("vehicle"),
    stature: one("stature"),
  });
  const words = on.filter((x) => !["like", "unlike", "reach", "marks", "nocolour"].includes(x.part));
  const named = (part: Part) => on.filter((x) => x.part === part).map((x) => x.id ?? "");
  const byMarks = !!one("marks");
  // What is named goes before what was judged; each counts once.
  const [ids, notIds] = [named("like"), named("unlike")];
  const sighting = (id: string): Example => create(ExampleSchema, { what: { case: "sightingId", value: id } });
  const like = ids.map(sighting);
  if (picture) like.push(create(ExampleSchema, { what: { case: "picture", value: picture } }));
  const unlike = notIds.map(sighting);
  const given = new Set([...ids, ...notIds]);
  const yes = byMarks ? marks.yes.filter((id) => !given.has(id)).slice(0, Math.max(0, MOST_LIKE - like.length)) : [];
  const no = byMarks ? marks.no.filter((id) => !given.has(id)).slice(0, Math.max(0, MOST_UNLIKE - unlike.length)) : [];
  like.push(...yes.map(sighting));
  unlike.push(...no.map(sighting));
  const withoutColour = !!one("nocolour");
  const reachFrom = named("reach")[0];
  const [by, only] = [query.get("by") === "vehicle" ? Travel.VEHICLE : Travel.FOOT, query.get("only") === "1"];
  const [from, to] = [fromInput(query.get("from") ?? ""), fromInput(query.get("to") ?? "")];
  const window = c.scope?.window;
  const cameraIds = query.getAll("camera");
  const limit = Number(query.get("limit")) || 50;
  const bounded = !Number.isNaN(from) || !Number.isNaN(to);
  return {
    request: {
      caseId: c.id,
      description: words.length ? description : undefined,
      like: like.slice(0, MOST_LIKE),
      unlike: unlike.slice(0, MOST_UNLIKE),
      withoutColour,
      window: bounded
        ? { from: Number.isNaN(from) ? window?.from : stamp(from), to: Number.isNaN(to) ? window?.to : stamp(to) }
        : undefined,
      cameraIds,
      limit,
      includeCrops: true,
      reach: reachFrom ? { fromSightingId: reachFrom, by, only } : undefined,
    },
    key: JSON.stringify([c.id, ...(reachFrom ? [by, only] : []), on.map((x) => nameOf(x, true)).sort(), from, to, [...cameraIds].sort(), limit, picture ? pictureNumber(picture) : 0]),
    nothing: !words.length && !like.length && !withoutColour,
    says: [...on.map((x) => x.label), ...(picture ? ["like a picture"] : [])].join(", "),
    learned: byMarks ? { yes: yes.length, no: no.length } : undefined,
  };
}

const numbers = new WeakMap<Uint8Array, number>();
let pictures = 0;
function pictureNumber(picture: Uint8Array): number {
  const known = numbers.get(picture) ?? ++pictures;
  numbers.set(picture, known);
  return known;
}

/** What a request of the server's usual size has room for. */
const MOST_PICTURE = 900 << 10;
/** The server looks at no larger picture. */
const SIDE = 1280;

/** The picture as it is sent: made smaller in this page where it is too large. */
export async function readPicture(file: File): Promise<Uint8Array> {
  if (!["image/jpeg", "image/png"].includes(file.type)) throw new Error("that is neither a JPEG nor a PNG file");
  let decoded: ImageBitmap;
  try {
    decoded = await createImageBitmap(file);
  } catch {
    throw new Error("the picture can't be read; it may be damaged");
  }
  if (file.size <= MOST_PICTURE) return new Uint8Array(await file.arrayBuffer());
  const scale = Math.min(1, SIDE / Math.max(decoded.width, decoded.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(decoded.width * scale));
  canvas.height = Math.max(1, Math.round(decoded.height * scale));
  canvas.getContext("2d")?.drawImage(decoded, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  if (!blob) throw new Error("the picture could not be made smaller");
  return new Uint8Array(await blob.arrayBuffer());
}
