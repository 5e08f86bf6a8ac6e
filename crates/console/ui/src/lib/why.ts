// Why a hit is a hit, and what the sighting is said to look like, in words with how sure they are.

import type { Hit } from "../gen/sightline/v1/search_pb.js";
import type { Sighting } from "../gen/sightline/v1/sighting_pb.js";
import { TimeSource } from "../gen/sightline/v1/common_pb.js";
import { carriedName, className, colourName, seconds, span, statureName } from "./words";

const sure = (n: number) => `${Math.round(n * 100)} % sure`;

/** The words of the search that this sighting bears, the surest first. */
export function matched(hit: Hit): string[] {
  const words = hit.matched.map(({ word, confidence }) => {
    const text = (() => {
      switch (word.case) {
        case "upper":
          return `${colourName(word.value)} above the waist`;
        case "lower":
          return `${colourName(word.value)} below the waist`;
        case "carrying":
          return `carries a ${carriedName(word.value)}`;
        case "vehicleColour":
          return `${colourName(word.value)} vehicle`;
        case "stature":
          return `${statureName(word.value)} stature`;
        default:
          return "a word this page doesn't know";
      }
    })();
    return { text: `${text} (${sure(confidence)})`, confidence };
  });
  const list = words.sort((a, b) => b.confidence - a.confidence).map((w) => w.text);
  if (!list.length && hit.appearanceScore === undefined && hit.sighting) list.push(`is a ${className(hit.sighting.class)} (${sure(hit.sighting.score)})`);
  if (hit.appearanceScore !== undefined) list.push(`looks like the example (${Math.round(hit.appearanceScore * 100)} of 100)`);
  return list;
}

/** Whether it can be reached from the sighting that was named; empty: it was not asked, or is not known. */
export const reached = ({ reach }: Hit) => (reach ? `${reach.reachable ? "can be reached" : "can hardly be reached"}: ${reach.metres} m in ${span(seconds(reach.time))}` : "");

/** What it is said to look like, whatever was asked. */
export function looks(s: Sighting): string[] {
  const d = s.description;
  const words = [`${className(s.class)} (${sure(s.score)})`];
  if (d?.upper) words.push(`${colourName(d.upper.word)} above the waist (${sure(d.upper.confidence)})`);
  if (d?.lower) words.push(`${colourName(d.lower.word)} below the waist (${sure(d.lower.confidence)})`);
  for (const c of d?.carrying ?? []) words.push(`carries a ${carriedName(c.word)} (${sure(c.confidence)})`);
  if (d?.vehicleColour) words.push(`${colourName(d.vehicleColour.word)} vehicle (${sure(d.vehicleColour.confidence)})`);
  if (d?.stature) words.push(`${statureName(d.stature.word)} stature (${sure(d.stature.confidence)})`);
  return words;
}

export const uncertainty = (s: Sighting | undefined) => {
  const known = seconds(s?.first?.uncertainty);
  return Number.isNaN(known) ? "" : `± ${span(known)}`;
};

export const source = (s: Sighting | undefined) =>
  ({
    [TimeSource.GIVEN]: "from the start that was given for the footage",
    [TimeSource.SENDER_REPORT]: "from the camera's own clock",
    [TimeSource.RECEIVED]: "from the server's clock",
    [TimeSource.RECORDER]: "from the recorder's own clock",
    [TimeSource.UNSPECIFIED]: "of unknown origin",
  })[s?.first?.source ?? TimeSource.UNSPECIFIED];
