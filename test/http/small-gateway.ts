/** A gateway of few words: an engine, and configurations that name its sources and sinks. Everything it is
 *  asked for it does; what it leaves out is what files and reloads are for. */

import { createHash } from 'node:crypto';
import {
  fileSink,
  functionSink,
  HeadgateError,
  pushSource,
  type PushSource,
  simulatedSource,
  type Engine,
  type SinkSpec,
  type SourceSpec,
} from '../../src/index.ts';
import { formatAddress, parseAddress } from '../../src/domain/address.ts';
import { messageOf } from '../../src/domain/errors.ts';
import { nearestNames } from '../../src/domain/nearest-names.ts';
import type {
  ConfigChange,
  ConfigProblem,
  GatewayControl,
  Readiness,
  ReloadOutcome,
} from '../../src/gateway/gateway-control.ts';

interface Document {
  readonly sources?: Readonly<Record<string, { readonly type: string }>>;
}

export interface SmallGateway extends GatewayControl {
  /** What `readiness()` gives. */
  ready: Readiness;
  /** The push source last made under this address. */
  pushSource(address: string): PushSource | undefined;
}

const SECRET = /password|token|authorization/i;

export function smallGateway(engine: Engine, startedAtMs: number): SmallGateway {
  const pushed = new Map<string, PushSource>();
  let version = 1;
  let running: Document = {};
  let lastReload: ReloadOutcome | null = null;
  const problemsOf = (text: string): ConfigProblem[] => {
    try {
      const document = JSON.parse(text) as Document;
      for (const [id, entry] of Object.entries(document.sources ?? {})) sourceSpec(id, entry);
      return Object.keys(document)
        .filter((name) => name !== 'sources')
        .map((name) => problem(name, `unknown option "${name}"`, nearestNames(name, ['sources'])[0]));
    } catch (error) {
      return [problem('', messageOf(error))];
    }
  };
  return {
    engine,
    started: { atMs: startedAtMs, monoMs: 0 },
    ready: { isReady: true, reasons: [] },
    configuration: () => ({
      version,
      digest: createHash('sha256').update(JSON.stringify(running)).digest('hex'),
      file: null,
      document: masked(running) as Record<string, unknown>,
      lastReload,
    }),
    validate: async (text) => problemsOf(text),
    async apply(text, { origin }) {
      const problems = problemsOf(text);
      const changes: ConfigChange[] = [];
      if (problems.length === 0) {
        const wanted = (JSON.parse(text) as Document).sources ?? {};
        const had = running.sources ?? {};
        for (const id of Object.keys(had)) {
          if (id in wanted) continue;
          await engine.deregister(id);
          changes.push({ path: `sources.${id}`, action: 'removed' });
        }
        for (const [id, entry] of Object.entries(wanted)) {
          if (JSON.stringify(had[id]) === JSON.stringify(entry)) continue;
          await (id in had ? engine.update(sourceSpec(id, entry)) : engine.register(sourceSpec(id, entry)));
          changes.push({ path: `sources.${id}`, action: id in had ? 'changed' : 'added' });
        }
        running = JSON.parse(text) as Document;
        if (changes.length > 0) version++;
      }
      const outcome = problems.length > 0 ? 'refused' : changes.length > 0 ? 'applied' : 'unchanged';
      lastReload = { atMs: startedAtMs, origin, outcome, version, changes, problems, needsRestart: [] };
      return lastReload;
    },
    readiness() {
      return this.ready;
    },
    sourceSpec(id, entry) {
      const spec = sourceSpec(id, entry);
      if ('pushPayload' in spec) pushed.set(formatAddress(parseAddress(id)), spec as PushSource);
      return spec;
    },
    pushSource: (address) => pushed.get(address),
    sinkSpec,
  };
}

function problem(path: string, message: string, suggestion?: string): ConfigProblem {
  const place = { file: null, line: null, column: null, path, message };
  return suggestion === undefined ? place : { ...place, suggestion };
}

function sourceSpec(id: string, entry: unknown): SourceSpec {
  const { type, ...options } = entry as { type: string } & Record<string, unknown>;
  const [tenant, name] = id.includes('/') ? id.split('/') : [undefined, id];
  const given = { ...options, id: name ?? id, ...(tenant === undefined ? {} : { tenant }) };
  if (type === 'push') return pushSource(given);
  if (type === 'simulated') return simulatedSource(given);
  throw unknownType(type, ['push', 'simulated']);
}

function sinkSpec(id: string, entry: unknown): SinkSpec {
  const { type, ...options } = entry as { type: string } & Record<string, unknown>;
  if (type === 'file') return fileSink({ ...options, id } as unknown as Parameters<typeof fileSink>[0]);
  if (type === 'nowhere') return functionSink({ ...options, id, deliver: () => {} });
  throw unknownType(type, ['file', 'nowhere']);
}

function unknownType(type: string, known: readonly string[]): HeadgateError {
  const [suggestion] = nearestNames(String(type), known);
  return new HeadgateError('HG_OPTION_INVALID', `type: there is no kind "${type}"`, {
    details: { field: 'type', ...(suggestion === undefined ? {} : { suggestion }) },
  });
}

function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [
    name,
    SECRET.test(name) ? '***' : masked(inner),
  ]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}
