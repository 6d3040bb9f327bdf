/** The content of an unsuccessful answer, as far as it may be shown: its Retry-After, where a redirect
 *  leads, and the first words of its body, without anything secret that the far end sent back. */

import type { Clock } from '../../../src/domain/clock.ts';
import { printable } from '../../../src/domain/printable-text.ts';
import { comesInTime } from '../runtime/in-time.ts';
import { publicUrl } from '../../protocols/http/url.ts';

/** Bytes that are read of such a body, how long it is waited for, and characters that are shown. */
const READ_BYTES_MAX = 4 * 1024;
const READ_MS_MAX = 1_000;
const SHOWN_CHARS_MAX = 300;
const MASK = '***';
/** Shorter texts are no secrets, and would mask every answer. */
const SECRET_CHARS_MIN = 4;

export interface AnswerDetails {
  readonly status: number;
  readonly retryAfterMs?: number;
}

/** The wait that an answer asks for, for an error's details. */
export function retryDetails(retryAfterMs: number | null): { retryAfterMs?: number } {
  return retryAfterMs === null ? {} : { retryAfterMs };
}

/** The error for a status. `location` is the header of a redirect, resolved against `url`. */
export function statusAdvice(
  { status, retryAfterMs }: AnswerDetails,
  redirect: { readonly location: string | null; readonly url: string } | null = null,
): string {
  const wait = retryAfterMs === undefined ? '' : ` and asks to wait ${retryAfterMs} ms`;
  if (status < 300 || status > 399) return wait;
  const target = URL.parse(redirect?.location ?? '', redirect?.url);
  const where = target === null || !redirect?.location ? 'the address it leads to' : publicUrl(target.href);
  return `${wait}; redirects are not followed, set url to ${where}`;
}

/** The first words of a body, as `: "…"`, or nothing where there are none in time. Never rejects. */
export async function answerWords(
  body: AsyncIterable<Uint8Array> | null,
  { clock, secrets }: { readonly clock: Clock; readonly secrets: readonly string[] },
): Promise<string> {
  if (body === null) return '';
  const chunks: Uint8Array[] = [];
  await comesInTime(
    clock,
    READ_MS_MAX,
    readInto(chunks, body).catch(() => {}),
  );
  const text = masked(new TextDecoder().decode(Buffer.concat(chunks).subarray(0, READ_BYTES_MAX)), secrets);
  const words = printable(text.replaceAll(/\s+/g, ' ').trim());
  if (words === '') return '';
  return `: "${words.slice(0, SHOWN_CHARS_MAX)}${words.length > SHOWN_CHARS_MAX ? '…' : ''}"`;
}

async function readInto(chunks: Uint8Array[], body: AsyncIterable<Uint8Array>): Promise<void> {
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= READ_BYTES_MAX) return;
  }
}

/** The secrets in a request: credentials, the values of its headers and of its query. */
export function secretsOf(url: string, headers: Readonly<Record<string, string>>): string[] {
  const { username, password, searchParams } = new URL(url);
  const values = Object.values(headers).flatMap((value) => [value, ...value.split(/[\s,;=]+/)]);
  return [username, password, decoded(username), decoded(password), ...searchParams.values(), ...values];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The text without the secrets, as they are or in the forms in which servers show what they were sent. */
function masked(text: string, secrets: readonly string[]): string {
  const known = secrets
    .filter((secret) => secret.length >= SECRET_CHARS_MIN)
    .flatMap((secret) => {
      const bytes = Buffer.from(secret, 'utf8');
      const base64 = bytes.toString('base64').replace(/=+$/, '');
      const json = JSON.stringify(secret).slice(1, -1);
      return [
        secret,
        json,
        encodeURIComponent(secret),
        base64,
        bytes.toString('base64url'),
        bytes.toString('hex'),
      ];
    })
    .toSorted((a, b) => b.length - a.length);
  return known.reduce((shown, secret) => shown.replaceAll(secret, MASK), text);
}
