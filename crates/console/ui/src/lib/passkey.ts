// An authoriser's passkey, at the server's door. The browser and the key do the work; what counts is checked by the server, and by
// everybody who verifies an export.

import type { PasskeyAssertion } from "../gen/sightline/v1/cases_pb.js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PasskeyAssertionSchema } from "../gen/sightline/v1/cases_pb.js";
import { Refusal } from "./session";
import { hex } from "./words";

const DOMAIN = new TextEncoder().encode("sightline passkey v1\n");
const ES256 = -7;
const EDDSA = -8;
/** The key may leave its device: a password manager's, say. */
const MAY_BE_COPIED = 0x08;

export const passkeysWork = () => typeof PublicKeyCredential === "function";

function refusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return new Refusal("passkey", "no passkey was used", "it was stopped, took too long, or there is none of this server on this device");
  return new Refusal("passkey", error instanceof Error ? error.message : String(error), "try again, or sign with `sightline case authorise`");
}

async function digest(...parts: Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(parts as BlobPart[]).arrayBuffer()));
}

/** Signs these bytes: SHA-256 of a domain and them is what the key is asked for. */
export async function signWithPasskey(grant: Uint8Array): Promise<MessageInitShape<typeof PasskeyAssertionSchema>> {
  try {
    const challenge = await digest(DOMAIN, grant);
    const publicKey = { challenge: challenge as BufferSource, rpId: location.hostname, userVerification: "required" as const };
    const credential = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential | null;
    if (!credential) throw new Refusal("passkey", "no passkey was used", "try again");
    const made = credential.response as AuthenticatorAssertionResponse;
    return {
      authenticatorData: new Uint8Array(made.authenticatorData),
      clientData: new Uint8Array(made.clientDataJSON),
      signature: new Uint8Array(made.signature),
    } satisfies Omit<PasskeyAssertion, "$typeName">;
  } catch (error) {
    throw refusal(error);
  }
}

export interface NewPasskey {
  /** What an operator puts into pki/grant-keys. */
  file: string;
  /** SHA-256 of the public key, to compare with what the operator has. */
  sha256: string;
}

/** Makes a passkey for this server that can't leave its device. It counts once an operator has made it known. */
export async function makePasskey(name: string): Promise<NewPasskey> {
  try {
    const publicKey: PublicKeyCredentialCreationOptions = {
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      rp: { id: location.hostname, name: "Sightline" },
      user: { id: crypto.getRandomValues(new Uint8Array(16)), name, displayName: name },
      pubKeyCredParams: [ES256, EDDSA].map((alg) => ({ type: "public-key", alg })),
      authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
      attestation: "none",
    };
    const credential = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential | null;
    const made = credential?.response as AuthenticatorAttestationResponse | undefined;
    const spki = made?.getPublicKey();
    if (!made || !spki) throw new Refusal("passkey", "the browser made no key that can be used", "try another device");
    const flags = new Uint8Array(made.getAuthenticatorData())[32] ?? MAY_BE_COPIED;
    if (flags & MAY_BE_COPIED) {
      throw new Refusal("passkey", "this passkey may be copied to other devices, and is not taken", "choose a security key, or the one that is built into this device");
    }
    const key = new Uint8Array(spki);
    const text = btoa(String.fromCharCode(...key)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    return { file: `${JSON.stringify([{ server: location.hostname, key: text }])}\n`, sha256: hex(await digest(key)) };
  } catch (error) {
    throw refusal(error);
  }
}
