/** What of a message goes into its row: plain facts. Objects that only machines hand each other, and anything
 *  that could carry a secret, stay out. */

/** Bookkeeping of the runtime: rows have times and causes of their own. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'type',
  'requestId',
  'cause',
  'monoMs',
  'random',
  'actorId',
  'childId',
  'output',
]);

export function factsOf(event: object): Readonly<Record<string, unknown>> | null {
  const facts: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(event)) {
    if (LEFT_OUT.has(name)) continue;
    if (name === 'spec') facts['id'] = (value as { id?: unknown } | null)?.id;
    else if (name === 'error' || name === 'problem') facts['error'] = errorOf(value);
    else if (isPlain(value) || (Array.isArray(value) && value.every(isPlain))) facts[name] = value;
  }
  return Object.keys(facts).length === 0 ? null : facts;
}

function isPlain(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function errorOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return String(error);
  const { code, message } = error as { code?: unknown; message?: unknown };
  return { ...(isPlain(code) ? { code } : {}), message: String(message) };
}
