/** From the entries of a configuration to what the engine takes: sources, sinks, stages, options. */

import { fileSink } from '../../../actors/sinks/file/file-sink.ts';
import { functionSink } from '../../../actors/sinks/function-sink.ts';
import { httpSink } from '../../../actors/sinks/http-sink.ts';
import { jetStreamSink } from '../../../actors/sinks/jetstream/jetstream-sink.ts';
import { mqttSink } from '../../../actors/sinks/mqtt/mqtt-sink.ts';
import { fileSource } from '../../../actors/sources/file/file-source.ts';
import { httpSource } from '../../../actors/sources/http/http-source.ts';
import { mqttSource } from '../../../actors/sources/mqtt/mqtt-source.ts';
import { pushSource } from '../../../actors/sources/push-source.ts';
import { simulatedSource } from '../../../actors/sources/simulated-source.ts';
import { webSocketSource } from '../../../actors/sources/websocket-source.ts';
import { resolveOptions } from '../../config/resolve-options.ts';
import { HeadgateError } from '../../domain/errors.ts';
import type { Random } from '../../domain/random.ts';
import type { RecordMeta } from '../../domain/record.ts';
import type { OutboundRecord, SinkSpec } from '../../domain/sink.ts';
import type { DecodeFunction, SourceSpec } from '../../domain/source.ts';
import { compileExpression } from './expression.ts';
import { ARRIVING_RECORD, SIMULATED_RECORD, SINK_RECORD } from './fields.ts';
import { loadFunction } from './modules.ts';
import { arrivingView, outboundView } from './record-view.ts';
import { sinkEntrySchema, type SinkEntry } from './sink-entries.ts';
import { sourceEntrySchema, type SourceEntry } from './source-entries.ts';
export { engineOptionsOf, stagesOf } from './stage-specs.ts';

/** What an entry may reach beyond itself. */
export interface EntryScope {
  /** Where modules are looked for; null: an entry that names one is refused, as is right where it comes from
   *  elsewhere than the configuration file. */
  readonly folder: string | null;
}

const CLOSED: EntryScope = { folder: null };

/** The source that `entry` describes, written as in the section `sources`.
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID with `details.field`; HG_MODULE_FAILED */
export function sourceSpecOf(id: string, entry: unknown, scope: EntryScope = CLOSED): SourceSpec {
  return buildSource(id, resolveOptions(sourceEntrySchema, entry, `source "${id}"`), scope);
}

/** The sink that `entry` describes, written as in the section `sinks`.
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID with `details.field`; HG_MODULE_FAILED */
export function sinkSpecOf(id: string, entry: unknown, scope: EntryScope = CLOSED): SinkSpec {
  return buildSink(id, resolveOptions(sinkEntrySchema, entry, `sink "${id}"`), scope);
}

const SOURCE_FACTORIES = {
  mqtt: mqttSource,
  http: httpSource,
  file: fileSource,
  websocket: webSocketSource,
  push: pushSource,
  simulated: simulatedSource,
};

const SINK_FACTORIES = {
  file: fileSink,
  http: httpSink,
  mqtt: mqttSink,
  jetstream: jetStreamSink,
  function: functionSink,
};

/** The factories check options anew; what a checked entry leaves out is undefined, which they take for
 *  that. */
function made<Spec>(factory: (options: never) => Spec, options: Record<string, unknown>): Spec {
  return factory(options as never);
}

/** The source of an entry that fits its schema already. @throws as {@link sourceSpecOf} */
export function buildSource(id: string, entry: SourceEntry, scope: EntryScope = CLOSED): SourceSpec {
  const { type, required: _, ...rest } = entry;
  if (type === 'module') return customSpec<SourceSpec>('source', id, entry, scope, ['logic', 'outlet']);
  const options: Record<string, unknown> = { id, ...definedOnly(rest) };
  if (entry.rateLimit !== null) options['rateLimit'] = { ...entry.rateLimit, scope: 'source' };
  if (entry.dedupKey !== null) options['dedupKey'] = dedupKeyOf(id, entry.dedupKey);
  if ('decode' in entry) options['decode'] = decodeOf(entry.decode, scope);
  if (type === 'simulated') simulate(options, entry.shownType, entry.value);
  return made<SourceSpec>(SOURCE_FACTORIES[type], options);
}

function simulate(
  options: Record<string, unknown>,
  shownType: string | undefined,
  value: string | undefined,
): void {
  delete options['shownType'];
  if (shownType !== undefined) options['type'] = shownType;
  if (value !== undefined) {
    const expression = compileExpression(value, SIMULATED_RECORD);
    options['value'] = (n: number, random: Random) => expression.evaluate({ n, random: random.next() });
  }
}

/** The sink of an entry that fits its schema already. @throws as {@link sinkSpecOf} */
export function buildSink(id: string, entry: SinkEntry, scope: EntryScope = CLOSED): SinkSpec {
  const { type, ...rest } = entry;
  if (type === 'module') return customSpec<SinkSpec>('sink', id, entry, scope, ['logic', 'batch']);
  const options: Record<string, unknown> = { id, ...definedOnly(rest) };
  if (entry.filter !== null) options['filter'] = predicateOf(entry.filter);
  if (entry.transform !== null) options['transform'] = changeOf(entry.transform);
  if (type === 'function') options['deliver'] = loadFunction(entry.deliver, folderOf(scope, 'deliver'));
  return made<SinkSpec>(SINK_FACTORIES[type], options);
}

function definedOnly(entry: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined));
}

function folderOf({ folder }: EntryScope, field: string): string {
  if (folder !== null) return folder;
  throw new HeadgateError(
    'HG_OPTION_INVALID',
    `option "${field}": code can be named in the configuration file only`,
    {
      details: { field },
    },
  );
}

/** A source or sink that code of the user's makes. */
function customSpec<Spec extends { readonly id: string }>(
  noun: string,
  id: string,
  entry: { readonly module: string; readonly options: Readonly<Record<string, unknown>> },
  scope: EntryScope,
  marks: readonly string[],
): Spec {
  const make = loadFunction(entry.module, folderOf(scope, 'module')) as (options: object) => unknown;
  const spec = make({ ...entry.options, id });
  const isOne = typeof spec === 'object' && spec !== null && marks.every((mark) => mark in spec);
  if (isOne && (spec as Spec).id === id) return spec as Spec;
  throw new HeadgateError(
    'HG_MODULE_FAILED',
    `"${entry.module}" must give a ${noun} with the id "${id}", as define${capital(noun)}() makes it`,
    { details: { field: 'module' } },
  );
}

function capital(noun: string): string {
  return `${noun[0]?.toUpperCase()}${noun.slice(1)}`;
}

function decodeOf(decode: string | { readonly module: string }, scope: EntryScope): string | DecodeFunction {
  if (typeof decode === 'string') return decode;
  return loadFunction(decode.module, folderOf(scope, 'decode')) as DecodeFunction;
}

/** Text, or a number as text; nothing where the expression gives null. */
function dedupKeyOf(id: string, text: string): (data: unknown, meta: RecordMeta) => string | undefined {
  const expression = compileExpression(text, ARRIVING_RECORD);
  return (data, meta) => {
    const key = expression.evaluate({ record: arrivingView(id, data, meta) });
    if (typeof key === 'string') return key;
    if (typeof key === 'number' || typeof key === 'bigint') return String(key);
    if (key === null) return undefined;
    throw new HeadgateError('HG_EXPRESSION_FAILED', `${text}: must give text, a number or null`);
  };
}

function predicateOf(text: string): (record: OutboundRecord) => boolean {
  const expression = compileExpression(text, SINK_RECORD);
  return (record) => {
    const passes = expression.evaluate({ record: outboundView(record) });
    if (typeof passes === 'boolean') return passes;
    throw new HeadgateError(
      'HG_EXPRESSION_FAILED',
      `${text}: must give true or false, and gave ${typeof passes}`,
    );
  };
}

function changeOf(text: string): (record: OutboundRecord) => unknown {
  const expression = compileExpression(text, SINK_RECORD);
  return (record) => expression.evaluate({ record: outboundView(record) });
}
