/** Names of actors. A source is addressed as `tenant/source`; the tenant `default` may be left out and is
 *  never shown. */

export const DEFAULT_TENANT = 'default';

export interface SourceAddress {
  readonly tenant: string;
  readonly sourceId: string;
}

/** Names that actors of the engine bear; no source may be called so. */
export const RESERVED_NAMES: readonly string[] = [
  'engine',
  'registry',
  'rateLimiter',
  'burstDetector',
  'pipeline',
  'recorder',
  'healthMonitor',
  'janitor',
  'journal',
  'sinks',
];

const SINK_PREFIX = 'sink:';

/** What the timeline calls a sink, so that no source has its name. */
export function sinkName({ tenant, id }: { readonly tenant: string; readonly id: string }): string {
  return formatAddress({ tenant, sourceId: `${SINK_PREFIX}${id}` });
}

/** Whether a name of the timeline, or the part of one after its tenant, is that of a sink. */
export function isSinkName(name: string): boolean {
  return parseAddress(name).sourceId.startsWith(SINK_PREFIX);
}

const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** Whether `text` can be the id of a source or tenant: letters, digits, `.`, `_`, `:`, `-`, at most 128. */
export function isNameSegment(text: string): boolean {
  return SEGMENT.test(text);
}

export function formatAddress(address: SourceAddress): string {
  return address.tenant === DEFAULT_TENANT ? address.sourceId : `${address.tenant}/${address.sourceId}`;
}

/** What users call the source or the sink of these options. */
export function addressOf({
  id,
  tenant = DEFAULT_TENANT,
}: {
  readonly id: string;
  readonly tenant?: string;
}): string {
  return formatAddress({ tenant, sourceId: id });
}

/** Reads `source` or `tenant/source`. Does not check the characters. */
export function parseAddress(text: string): SourceAddress {
  const slash = text.indexOf('/');
  if (slash < 0) return { tenant: DEFAULT_TENANT, sourceId: text };
  return { tenant: text.slice(0, slash), sourceId: text.slice(slash + 1) };
}
