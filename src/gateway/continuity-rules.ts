/** Changes that a new version of the configuration must not make by accident: open the gateway, drop a
 *  section that ran, or be the beginning of the version before. Each needs a word that says it is meant. */

import { addressOf } from '../domain/address.ts';
import type { ConfigProblem, ReloadOrigin } from './gateway-control.ts';
import type { PreparedConfig } from './prepared-config.ts';

/** The facts about earlier versions, also of those that ran before the process was started. */
export interface Known {
  /** Tokens were configured once. */
  readonly tokensSeen: boolean;
  /** Sections that the last version wrote and that said something. */
  readonly sections: readonly string[];
  /** The text of the running version; null before the first. */
  readonly text: string | null;
}

/** Sections that may not go by being left out, each with what to write where it is to be empty. */
const EMPTY_SECTIONS: ReadonlyMap<string, string> = new Map([
  ['storage', 'storage: {}'],
  ['sources', 'sources: {}'],
  ['stages', 'stages: []'],
  ['limits', 'limits: {}'],
  ['burst', 'burst: null'],
  ['sinks', 'sinks: {}'],
  ['http', 'http: {}'],
  ['auth', 'auth: {}'],
  ['control', 'control: {}'],
]);

/** Sections whose entries each run for themselves. */
const ENTRIES: ReadonlySet<string> = new Set(['sources', 'sinks']);

/** The sections of a version that may not be left out in the next. */
export function lastingSections({ document }: PreparedConfig): string[] {
  return [...EMPTY_SECTIONS.keys()].filter((name) => saysSomething(document[name]));
}

function saysSomething(section: unknown): boolean {
  if (section === null || section === undefined) return false;
  return typeof section !== 'object' || Object.keys(section).length > 0;
}

/** Everything that speaks against the version; empty where nothing does. */
export function continuityProblems(
  known: Known,
  next: PreparedConfig,
  origin: ReloadOrigin,
): ConfigProblem[] {
  const { file } = next.config;
  const found: (readonly [path: string, message: string])[] = [
    ...openingProblems(known, next),
    ...missingSections(known, next, origin),
    ...(isHalfWritten(known.text, next.text) ? [['', HALF_WRITTEN] as const] : []),
  ];
  return found.map(([path, message]) => ({ file, line: null, column: null, path, message }));
}

function openingProblems({ tokensSeen }: Known, { config: { auth } }: PreparedConfig) {
  if (!tokensSeen || auth.tokens.length > 0 || auth.open) return [];
  return [['auth.tokens', NO_TOKENS] as const];
}

/** A file can be cut off anywhere; what comes over the API is whole, and only says too little. */
function missingSections({ sections }: Known, { document }: PreparedConfig, origin: ReloadOrigin) {
  const isWhole = origin === 'api' || origin === 'mqtt';
  return sections.flatMap((name) => {
    const empty = EMPTY_SECTIONS.get(name);
    if (empty === undefined || (isWhole && !ENTRIES.has(name)) || Object.hasOwn(document, name)) return [];
    const message = `is missing, and ran in the version before; where that is meant, write "${empty}"`;
    return [[name, message] as const];
  });
}

const NO_TOKENS =
  'no token is left, so that everybody could do anything; there were some before. Add a token ' +
  '(headgate token create), or set auth.open: true where the gateway is meant to be open';

const HALF_WRITTEN =
  'the text is the beginning of the version that runs, cut off within a line: it looks half-written. ' +
  'Where it is meant so, end it with a line break';

/** A file that is read while it is written is the beginning of what it will say. One that ends with a line
 *  may be meant so. */
export function isHalfWritten(running: string | null, next: string): boolean {
  if (running === null || next.length >= running.length || !running.startsWith(next)) return false;
  const isWholeLine = /[\r\n]$/.test(next) || /^\r?\n/.test(running.slice(next.length));
  return !isWholeLine && running.trimEnd() !== next.trimEnd();
}

/** Addresses of what a version configures. */
export function addressesIn({ sources, sinks }: PreparedConfig): Entries {
  return {
    sources: Array.from(sources.values(), (spec) => addressOf(spec)),
    sinks: Array.from(sinks.values(), (spec) => addressOf(spec)),
  };
}

export interface Entries {
  readonly sources: readonly string[];
  readonly sinks: readonly string[];
}
