/** Reads the configuration of a gateway: from a text to a configuration that can be run, or to everything
 *  that is wrong with it, each with its place.
 *
 *  - Never throws for what a text may hold, and shows no secret: not in problems, not in the document.
 *  - Changes nothing and starts nothing. It reads the files that the text refers to; code that it names is
 *    looked for, not loaded. */

import type { z } from 'zod';
import { valueAt } from '../../config/value-at.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { ConfigFormat, ConfigProblem } from '../gateway-control.ts';
import { readConfigText } from './config-text.ts';
import type { Place, PlacedText } from './placed-text.ts';
import { configPlace, resolveConfig, type GatewayConfig } from './gateway-config.ts';
import { gatewaySchema, type ParsedConfig } from './gateway-schema.ts';
import { findingsOf, pathText, type Finding } from './problems.ts';
import { pathKey, resolveReferences, type Environment, type Resolved } from './references.ts';
import { digestOf, maskDocument, maskedPlaces, SecretBook } from './secrets.ts';
import { semanticFindings } from './semantic-checks.ts';
import { urlFindings } from './url-checks.ts';
import { configWarnings } from './warnings.ts';

export interface ReadConfigOptions {
  readonly format: ConfigFormat;
  /** Where the text comes from: relative paths are seen from its folder. Null: from `workingFolder`. */
  readonly file: string | null;
  readonly env: Environment;
  /** The time, epoch milliseconds: tokens that have expired are a warning. Default: none has. */
  readonly nowMs?: number;
  /** Default: the process's. */
  readonly workingFolder?: string;
}

export type ReadConfigResult =
  | {
      readonly ok: true;
      readonly config: GatewayConfig;
      /** As it was written, secrets as `"***"`. */
      readonly document: Readonly<Record<string, unknown>>;
      /** What must not be shown anywhere: values of secret fields, and what references led to. */
      readonly secrets: readonly string[];
      /** SHA-256 of what is resolved, secrets left out, hex; the same where the configuration means the
       *  same. */
      readonly digest: string;
      /** Settings that are valid and seldom intended. */
      readonly warnings: readonly ConfigProblem[];
      /** Files that references led to, absolute, each with its version when it was read. */
      readonly files: ReadonlyMap<string, string>;
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

export function readConfig(text: string, options: ReadConfigOptions): ReadConfigResult {
  const { file, format, env } = options;
  const reading = readConfigText(text, format);
  if (!reading.ok) {
    const problems = reading.problems.map(({ place, message }) => problemOf(file, place, '', message));
    return { ok: false, problems: sorted(problems) };
  }
  const secrets = new SecretBook();
  const outcome = checkText(reading.text, options, { env, secrets });
  const placed = (finding: Finding): ConfigProblem => {
    const place = placeOf(reading.text, finding);
    const problem = problemOf(file, place, pathText(finding.path), finding.message);
    return finding.suggestion === undefined ? problem : { ...problem, suggestion: finding.suggestion };
  };
  // Masked last: of thousands of problems and of secrets, a hundred are told.
  const told = (findings: readonly Finding[]) =>
    sorted(findings.map(placed)).map((one) => ({ ...one, message: secrets.mask(one.message) }));
  if (outcome.ok) return { ...outcome, warnings: told(outcome.warnings) };
  return { ok: false, problems: told(outcome.findings) };
}

type Outcome =
  | (Omit<Extract<ReadConfigResult, { ok: true }>, 'warnings'> & { readonly warnings: readonly Finding[] })
  | { readonly ok: false; readonly findings: Finding[] };

function checkText(
  text: PlacedText,
  options: ReadConfigOptions,
  { env, secrets }: { readonly env: Environment; readonly secrets: SecretBook },
): Outcome {
  const { file, workingFolder = process.cwd() } = options;
  // A file that holds nothing asks for the defaults.
  const written = text.value ?? {};
  const { folder } = configPlace(file, workingFolder);
  const resolved = resolveReferences(written, { env, folder });
  for (const value of resolved.referred.values()) secrets.addReferred(value);
  secrets.addAllOf(resolved.value);
  const masked = maskedPlaces(written).map((path) => ({ path, message: MASKED }));
  const unread = new Set([...resolved.problems, ...masked].map(({ path }) => pathKey(path)));
  const { issues, parsed, value } = parse(resolved);
  const urls = urlFindings(resolved.value, resolved.referred);
  const findings: Finding[] = [...resolved.problems, ...masked, ...urls.problems];
  const misread = new Set(urls.problems.map(({ path }) => pathKey(path)));
  // Of an address that is taken apart wrongly, nothing else that is said is true.
  const others = (more: readonly Finding[]) => more.filter(({ path }) => !misread.has(pathKey(path)));
  // What a reference should have led to, or a mask hides, is not complained of a second time.
  const unfit = findingsOf(issues, gatewaySchema, value).filter(({ path }) => !unread.has(pathKey(path)));
  findings.push(...others(unfit));
  if (parsed === null)
    return { ok: false, findings: [...findings, ...others(findingsBeside(issues, value, options))] };
  const { config, findings: unreadable, files } = resolveConfig(parsed, file, workingFolder);
  findings.push(...unreadable, ...others(semanticFindings(config)));
  if (findings.length > 0) return { ok: false, findings };
  const { referred } = resolved;
  const isReferred = (path: readonly PropertyKey[]) => referred.size > 0 && referred.has(pathKey(path));
  const { examples: _, ...meant } = config;
  return {
    ok: true,
    config,
    secrets: secrets.all,
    files: new Map([...resolved.files, ...files]),
    warnings: [...configWarnings(config, options.nowMs ?? 0), ...urls.warnings],
    document: maskDocument(written) as Record<string, unknown>,
    digest: digestOf(meant, isReferred),
  };
}

const MASKED = 'is a secret as it is shown; write the secret itself, or better ${NAME} or file:PATH';

/** Sections whose entries stand for themselves. */
const SECTIONS_OF_ENTRIES: readonly PropertyKey[] = ['sources', 'sinks'];

/** What is wrong beside what does not fit the schema: found in the configuration without those parts. */
function findingsBeside(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  { file, workingFolder = process.cwd() }: ReadConfigOptions,
): Finding[] {
  const rest = structuredClone(value);
  const left = new Set<PropertyKey>();
  for (const { path } of issues) {
    const [section, id] = path;
    if (section === undefined) continue;
    const entries = SECTIONS_OF_ENTRIES.includes(section) ? valueAt(rest, [section]) : undefined;
    if (id !== undefined && typeof entries === 'object' && entries !== null)
      Reflect.deleteProperty(entries, id);
    else {
      left.add(section);
      Reflect.deleteProperty(rest as object, section);
    }
  }
  const parsed = gatewaySchema.strip().safeParse(rest);
  if (!parsed.success) return [];
  const { config, findings } = resolveConfig(parsed.data, file, workingFolder);
  const isAboutLeft = ({ path }: Finding) =>
    left.has(path[0] ?? '') || (path[0] === 'http' && left.has('auth'));
  return [...findings, ...semanticFindings(config)].filter((finding) => !isAboutLeft(finding));
}

/** A reference is text. Where the schema wants a number, or true or false, and a reference gave text that
 *  says one, it is taken for that. */
function parse(resolved: Resolved): {
  issues: readonly z.core.$ZodIssue[];
  parsed: ParsedConfig | null;
  value: unknown;
} {
  const first = gatewaySchema.safeParse(resolved.value);
  if (first.success) return { issues: [], parsed: first.data, value: resolved.value };
  const value = structuredClone(resolved.value);
  let converted = 0;
  for (const issue of first.error.issues) {
    const text = resolved.referred.get(pathKey(issue.path));
    if (issue.code !== 'invalid_type' || text === undefined) continue;
    const meant = scalarOf(text, issue.expected);
    if (meant === undefined) continue;
    const owner = valueAt(value, issue.path.slice(0, -1)) as Record<PropertyKey, unknown>;
    owner[issue.path.at(-1) as PropertyKey] = meant;
    converted++;
  }
  if (converted === 0) return { issues: first.error.issues, parsed: null, value };
  const second = gatewaySchema.safeParse(value);
  if (second.success) return { issues: [], parsed: second.data, value };
  return { issues: second.error.issues, parsed: null, value };
}

function scalarOf(text: string, expected: string): number | boolean | undefined {
  if (expected === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
  if (expected !== 'number' && expected !== 'int') return undefined;
  return /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

function placeOf(text: PlacedText, { path, atKey, offset }: Finding): Place {
  if (atKey === true) return text.keyAt(path);
  return offset === undefined ? text.valueAt(path) : text.withinText(path, offset);
}

function problemOf(file: string | null, place: Place | null, path: string, message: string): ConfigProblem {
  return { file, line: place?.line ?? null, column: place?.column ?? null, path, message };
}

/** By place; no more than a person reads. */
function sorted(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const order = problems.toSorted(
    (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
  );
  const more = order.length - LIMITS.configProblemsMax;
  if (more <= 0) return order;
  const [{ file }] = order as [ConfigProblem];
  const rest = { file, line: null, column: null, path: '', message: `and ${more} more problems` };
  return [...order.slice(0, LIMITS.configProblemsMax), rest];
}
