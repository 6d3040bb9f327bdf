/** Takes secrets out of what is written down. Errors of users' code and of far ends can repeat a password;
 *  what becomes a row, a dead letter's reason or the last error of a source passes through here. */

/** The text without the secrets in it. Must not throw. */
export type Redact = (text: string) => string;

export const NOTHING_SECRET: Redact = (text) => text;

/** Plain data with every text in it redacted; the same object where nothing was. */
export function redactData<Data>(data: Data, redact: Redact): Data {
  return redact === NOTHING_SECRET ? data : (redacted(data, redact) as Data);
}

function redacted(value: unknown, redact: Redact): unknown {
  if (typeof value === 'string') return redact(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => redacted(one, redact));
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype !== Object.prototype && prototype !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, redacted(one, redact)]));
}
