// What goes between the server and the page, for specs that change it on its way.

import { fromBinary, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import type { Page } from "@playwright/test";

/** The messages of a gRPC-Web answer, and what follows the last one. */
export function frames(body: Buffer): { messages: Buffer[]; trailers: Buffer } {
  const messages: Buffer[] = [];
  let at = 0;
  while (at + 5 <= body.length && body[at] === 0) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    messages.push(body.subarray(at, end));
    at = end;
  }
  return { messages, trailers: body.subarray(at) };
}

export function frame<S extends DescMessage>(schema: S, message: MessageShape<S>): Buffer {
  const bytes = Buffer.from(toBinary(schema, message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** From now on the page is told something else than the server said in answer to this method, which has one message. */
export async function meddle<S extends DescMessage>(page: Page, method: string, schema: S, change: (message: MessageShape<S>) => void) {
  await page.route(`**/*${method}`, async (route) => {
    const answer = await route.fetch();
    const { messages, trailers } = frames(await answer.body());
    const message = fromBinary(schema, messages[0]!.subarray(5));
    change(message);
    await route.fulfill({ response: answer, body: Buffer.concat([frame(schema, message), trailers]) });
  });
}
