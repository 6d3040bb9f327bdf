/** The difference between two configurations, in the words of the file: which entries came, went or changed,
 *  and which settings count only from the next start on. Names of fields, never values: they may be secret.
 *  */

import { isDeepStrictEqual } from 'node:util';
import { LIMITS } from '../domain/limits.ts';
import type { ConfigChange } from './gateway-control.ts';
import { mapInPieces, runAtOnce, type Interruptible } from './turns.ts';

type Section = Readonly<Record<string, unknown>>;

/** What of a resolved configuration is compared; sections as the schema has them. */
export type ComparedConfig = object;

export interface ConfigDifference {
  readonly changes: readonly ConfigChange[];
  readonly needsRestart: readonly string[];
}

/** Sections of entries with a name each: an entry is added, changed or removed for itself. */
const MAPS = ['sources', 'sinks'] as const;

/** Sections that change as a whole, while the gateway runs. */
const LIVE_PARTS = ['stages', 'burst', 'examples', 'removed', 'control', 'metrics'] as const;

/** Settings that count at once although the rest of their section does not. */
const LIVE_SETTINGS = new Set([
  'logging.level',
  'engine.stopDeadlineMs',
  'engine.removedGraceMs',
  'auth.open',
]);

/** Sections that count from the next start on. */
const START_SECTIONS = ['engine', 'storage', 'http', 'logging'] as const;

/** Counts at once where there was one: a server without TLS does not come to have it. */
const CERTIFICATE = 'http.tls';

/** What is to be done to come from `running` to `next`; `started` is what the process was started with.
 *  The tokens' entries are compared by name, limits by their own names. */
export function compareConfigs(
  running: ComparedConfig,
  next: ComparedConfig,
  started: ComparedConfig = running,
): ConfigDifference {
  return runAtOnce(comparing(running, next, started));
}

/** As {@link compareConfigs}, in pieces. */
export function* comparing(
  running: ComparedConfig,
  next: ComparedConfig,
  started: ComparedConfig,
): Interruptible<ConfigDifference> {
  const entries: ConfigChange[] = [];
  for (const map of MAPS) {
    const [before, after] = [sectionOf(running, map), sectionOf(next, map)];
    const found = yield* mapInPieces(namesOf(before, after), LIMITS.configEntriesPerTurn, (name) =>
      partChange(`${map}.${name}`, before[name], after[name]),
    );
    entries.push(...found.flat());
  }
  const changes = [
    ...entries,
    ...mapChanges('limits', sectionOf(running, 'limits'), sectionOf(next, 'limits')),
    ...LIVE_PARTS.flatMap((part) => partChange(part, partOf(running, part), partOf(next, part))),
    ...mapChanges('auth.tokens', tokensOf(running), tokensOf(next)),
    ...settingChanges(running, next),
    ...certificateChanges(running, next),
  ];
  return { changes, needsRestart: restartSettings(started, next) };
}

/** Whether nothing at all differs, the settings for the next start included; `changes` is what was found. */
export function isSameConfig(
  running: ComparedConfig,
  next: ComparedConfig,
  { changes }: Pick<ConfigDifference, 'changes'> = compareConfigs(running, next),
): boolean {
  return changes.length === 0 && isDeepStrictEqual(withoutMaps(running), withoutMaps(next));
}

/** Sources and sinks are compared one by one. */
function withoutMaps(config: ComparedConfig): object {
  return { ...config, ...Object.fromEntries(MAPS.map((map) => [map, null])) };
}

function namesOf(before: Section, after: Section): ReadonlySet<string> {
  return new Set([...Object.keys(before), ...Object.keys(after)]);
}

function mapChanges(path: string, before: Section, after: Section): ConfigChange[] {
  return [...namesOf(before, after)].flatMap((name) =>
    partChange(`${path}.${name}`, before[name], after[name]),
  );
}

function partChange(path: string, before: unknown, after: unknown): ConfigChange[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isAbsent(before)) return [{ path, action: 'added' }];
  if (isAbsent(after)) return [{ path, action: 'removed' }];
  const fields = differingFields(before, after).filter((field) => field !== '');
  return [{ path, action: 'changed', ...(fields.length === 0 ? {} : { fields }) }];
}

function settingChanges(running: ComparedConfig, next: ComparedConfig): ConfigChange[] {
  return [...LIVE_SETTINGS].flatMap((setting) => {
    const [section = '', field = ''] = setting.split('.');
    const [before, after] = [sectionOf(running, section)[field], sectionOf(next, section)[field]];
    return isDeepStrictEqual(before, after)
      ? []
      : [{ path: section, action: 'changed' as const, fields: [field] }];
  });
}

function restartSettings(started: ComparedConfig, next: ComparedConfig): string[] {
  return START_SECTIONS.flatMap((section) =>
    differingFields(partOf(started, section), partOf(next, section))
      .map((field) => (field === '' ? section : `${section}.${field}`))
      .filter((setting) => !LIVE_SETTINGS.has(setting) && !setting.startsWith(`${CERTIFICATE}.`)),
  );
}

function certificateChanges(running: ComparedConfig, next: ComparedConfig): ConfigChange[] {
  const [before, after] = [sectionOf(running, 'http')['tls'], sectionOf(next, 'http')['tls']];
  return isSection(before) && isSection(after) ? partChange(CERTIFICATE, before, after) : [];
}

/** Paths of the settings in which two values differ; empty where they are the same. The path of the whole is
 *  the empty text. Lists differ as a whole. */
function differingFields(before: unknown, after: unknown, path = ''): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isSection(before) || !isSection(after)) return [path];
  return [...namesOf(before, after)].flatMap((name) =>
    differingFields(before[name], after[name], path === '' ? name : `${path}.${name}`),
  );
}

function tokensOf(config: ComparedConfig): Section {
  const { tokens } = sectionOf(config, 'auth');
  const list = Array.isArray(tokens) ? (tokens as readonly { readonly name: string }[]) : [];
  return Object.fromEntries(list.map((token) => [token.name, token]));
}

function sectionOf(config: ComparedConfig, name: string): Section {
  const section = partOf(config, name);
  return isSection(section) ? section : {};
}

function partOf(config: ComparedConfig, name: string): unknown {
  return (config as Section)[name];
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}
