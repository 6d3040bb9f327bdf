/** The difference of two configurations as steps that the engine can take, each with its way back. Messages
 *  to the registry do the work: a source that no step names is not touched. */

import type { Engine } from '../engine/engine.ts';
import { addressOf } from '../domain/address.ts';
import { HeadgateError, type ErrorCode } from '../domain/errors.ts';
import type { SinkSpec } from '../domain/sink.ts';
import type { SourceSpec } from '../domain/source.ts';
import type { ConfigChange } from './gateway-control.ts';
import type { PreparedConfig } from './prepared-config.ts';

/** What of the engine is changed while it runs. */
export type ChangeableEngine = Pick<
  Engine,
  | 'register'
  | 'update'
  | 'deregister'
  | 'registerSink'
  | 'updateSink'
  | 'deregisterSink'
  | 'reconfigure'
  | 'noteConfig'
>;

/** The row of the timeline that a command is caused by. */
export interface Caused {
  readonly cause?: number;
}

export interface ChangeStep {
  /** Of the setting that made it necessary, as `sources.plc-7`. */
  readonly path: string;
  apply(by: Caused): Promise<unknown>;
  /** Takes it back. Called only where `apply` has resolved. */
  revert(by: Caused): Promise<unknown>;
}

/** Steps of a group are taken side by side, group after group: first what may be refused without a trace,
 *  then what ends before what begins, so that an id, a file or a client name that moves is free when it is
 *  taken. `isKept` says whether the cursor of a sink that is not configured is kept. */
export function changeSteps(
  engine: ChangeableEngine,
  running: PreparedConfig,
  next: PreparedConfig,
  changes: readonly ConfigChange[],
  isKept: (address: string) => boolean,
): readonly (readonly ChangeStep[])[] {
  const of = (section: string, action: ConfigChange['action']) =>
    changes
      .filter((change) => change.action === action && change.path.startsWith(`${section}.`))
      .filter(({ fields }) => fields === undefined || fields.some((field) => !GATEWAYS_OWN.has(field)))
      .map(({ path }) => ({ path, id: path.slice(section.length + 1) }));
  const sources = subjects(sourceCommands(engine), running.sources, next.sources);
  const sinks = subjects(sinkCommands(engine, isKept), running.sinks, next.sinks);
  return [
    flowSteps(engine, running, next, changes),
    of('sources', 'removed').map(sources.removed),
    of('sources', 'changed').map(sources.changed),
    of('sources', 'added').map(sources.added),
    of('sinks', 'removed').map(sinks.removed),
    of('sinks', 'changed').map(sinks.changed),
    of('sinks', 'added').map(sinks.added),
  ].filter((group) => group.length > 0);
}

/** Fields of an entry that the gateway reads and its source never sees. */
const GATEWAYS_OWN = new Set(['required']);

/** Stages, limits and burst detection change together, in one switch of the flow. */
function flowSteps(
  engine: ChangeableEngine,
  running: PreparedConfig,
  next: PreparedConfig,
  changes: readonly ConfigChange[],
): ChangeStep[] {
  const paths = changes.map(({ path }) => path);
  const touched = FLOW_PARTS.filter(({ path }) => paths.includes(path));
  if (touched.length === 0) return [];
  const flowOf = ({ engine: options }: PreparedConfig) =>
    Object.fromEntries(touched.map(({ option }) => [option, options[option]]));
  return [
    {
      path: touched.map(({ path }) => path).join(', '),
      apply: (by) => engine.reconfigure(flowOf(next), by),
      revert: (by) => engine.reconfigure(flowOf(running), by),
    },
  ];
}

/** Limits of single sources are options of those sources. */
const FLOW_PARTS = [
  { path: 'stages', option: 'stages' },
  { path: 'limits.global', option: 'rateLimit' },
  { path: 'burst', option: 'burst' },
] as const;

type SubjectCommand<Spec> = (spec: Spec, by: Caused) => Promise<unknown>;

/** The commands for one kind of subject. Sources and sinks can also be changed past the file, over the API:
 *  whatever is there, the file's word is made true. */
interface SubjectCommands<Spec> {
  readonly register: SubjectCommand<Spec>;
  readonly update: SubjectCommand<Spec>;
  /** Takes it out in such a way that `register` brings it back where it stood. */
  readonly remove: SubjectCommand<Spec>;
  /** Takes it out, and leaves what there was before it was registered. */
  readonly discard: SubjectCommand<Spec>;
}

function sourceCommands(engine: ChangeableEngine): SubjectCommands<SourceSpec> {
  const register = (spec: SourceSpec, by: Caused) => engine.register(spec, by);
  const update = (spec: SourceSpec, by: Caused) => engine.update(spec, by);
  const remove = (spec: SourceSpec, by: Caused) => engine.deregister(addressOf(spec), by);
  return {
    register: (spec, by) => otherwise(register(spec, by), 'HG_SOURCE_DUPLICATE', () => update(spec, by)),
    update: (spec, by) => otherwise(update(spec, by), 'HG_SOURCE_UNKNOWN', () => register(spec, by)),
    remove: (spec, by) => otherwise(remove(spec, by), 'HG_SOURCE_UNKNOWN', () => Promise.resolve()),
    discard: remove,
  };
}

function sinkCommands(
  engine: ChangeableEngine,
  isKept: (address: string) => boolean,
): SubjectCommands<SinkSpec> {
  const register = (spec: SinkSpec, by: Caused) => engine.registerSink(spec, by);
  const update = (spec: SinkSpec, by: Caused) => engine.updateSink(spec, by);
  // Its cursor stays: it is where the sink would go on, should the version fail or the sink come back.
  const deregister = (spec: SinkSpec, by: Caused, keepCursor: boolean) =>
    otherwise(engine.deregisterSink(addressOf(spec), { ...by, keepCursor }), 'HG_SINK_UNKNOWN', () =>
      Promise.resolve(),
    );
  return {
    register: (spec, by) => otherwise(register(spec, by), 'HG_SINK_DUPLICATE', () => update(spec, by)),
    update: (spec, by) => otherwise(update(spec, by), 'HG_SINK_UNKNOWN', () => register(spec, by)),
    remove: (spec, by) => deregister(spec, by, true),
    discard: (spec, by) => deregister(spec, by, isKept(addressOf(spec))),
  };
}

async function otherwise(
  asked: Promise<unknown>,
  code: ErrorCode,
  instead: () => Promise<unknown>,
): Promise<unknown> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof HeadgateError && error.code === code) return instead();
    throw error;
  }
}

interface Named {
  readonly id: string;
  readonly tenant: string;
}

interface Subject {
  readonly path: string;
  readonly id: string;
}

function subjects<Spec extends Named>(
  commands: SubjectCommands<Spec>,
  running: ReadonlyMap<string, Spec>,
  next: ReadonlyMap<string, Spec>,
) {
  const { register, update, remove, discard } = commands;
  return {
    added: ({ path, id }: Subject): ChangeStep => {
      const spec = specOf(next, id);
      return {
        path,
        apply: (by) => register(spec, by),
        revert: (by) => discard(spec, by),
      };
    },
    changed: ({ path, id }: Subject): ChangeStep => {
      const [before, after] = [specOf(running, id), specOf(next, id)];
      if (addressOf(before) === addressOf(after)) {
        return {
          path,
          apply: (by) => update(after, by),
          revert: (by) => update(before, by),
        };
      }
      // With another tenant it is another one.
      return {
        path,
        apply: async (by) => {
          await remove(before, by);
          try {
            await register(after, by);
          } catch (error) {
            await register(before, by);
            throw error;
          }
        },
        revert: async (by) => {
          await discard(after, by);
          await register(before, by);
        },
      };
    },
    removed: ({ path, id }: Subject): ChangeStep => {
      const spec = specOf(running, id);
      return {
        path,
        apply: (by) => remove(spec, by),
        revert: (by) => register(spec, by),
      };
    },
  };
}

function specOf<Spec>(specs: ReadonlyMap<string, Spec>, id: string): Spec {
  const spec = specs.get(id);
  if (spec === undefined) throw new HeadgateError('HG_ENGINE_STATE', `nothing was prepared for "${id}"`);
  return spec;
}
