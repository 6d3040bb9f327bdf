/** The stages and the options of the engine that a configuration asks for. */

import type { CreateEngineOptions } from '../../engine/engine.ts';
import { HeadgateError } from '../../domain/errors.ts';
import type { IngestRecord } from '../../domain/record.ts';
import { boundedQueue, filter, transform, transformAsync } from '../../pipeline/stages.ts';
import type { Stage } from '../../pipeline/stage.ts';
import { compileExpression, type Expression } from './expression.ts';
import { STAGE_RECORD } from './fields.ts';
import { loadExport } from './modules.ts';
import { stageView } from './record-view.ts';
import type { GatewayConfig } from './gateway-config.ts';
import type { StageEntry } from './stage-entries.ts';

type StageSections = Pick<GatewayConfig, 'stages' | 'folder'>;
type EngineSections = StageSections & Pick<GatewayConfig, 'engine' | 'storage' | 'limits' | 'burst'>;

/** The stages, in order. @throws HeadgateError HG_MODULE_FAILED, HG_EXPRESSION_INVALID */
export function stagesOf({ stages, folder }: StageSections): Stage[] {
  return stages.map((entry) => stageOf(entry, folder));
}

/** All that `createEngine` takes, but for clock and logger. @throws as {@link stagesOf} */
export function engineOptionsOf(config: EngineSections): CreateEngineOptions {
  const { engine, storage, limits, burst } = config;
  const { path, records, ...kept } = storage;
  return {
    timeline: { path },
    records,
    storage: kept,
    rateLimit: limits.global === null ? null : { ...limits.global, scope: 'global' },
    burst: burst === null ? null : { ...burst },
    health: engine.health,
    reconnectsPerSecondMax: engine.reconnectsPerSecondMax,
    stages: stagesOf(config),
    ...(engine.seed === undefined ? {} : { seed: engine.seed }),
  };
}

function stageOf(entry: StageEntry, folder: string): Stage {
  const { name, queue, module } = entry;
  if (entry.filter !== undefined) return filter(predicateOf(entry.filter), name ?? 'filter');
  if (entry.transform !== undefined) return transform(changeOf(entry.transform), name ?? 'transform');
  if (entry.set !== undefined) return transform(additionOf(entry.set), name ?? 'set');
  if (entry.drop !== undefined) return transform(omissionOf([entry.drop].flat()), name ?? 'drop');
  if (queue !== undefined) return queueOf(queue);
  if (module !== undefined) return moduleStage(entry, module, folder);
  throw new HeadgateError('HG_OPTION_INVALID', 'a stage does nothing');
}

function queueOf({ name, capacityRecords, overflow, waitMsMax }: NonNullable<StageEntry['queue']>): Stage {
  const waits = waitMsMax === null ? {} : { waitMsMax };
  return boundedQueue({ stageName: name, capacityRecords, overflow, ...waits });
}

function predicateOf(text: string): (record: IngestRecord) => boolean {
  const expression = compileExpression(text, STAGE_RECORD);
  return (record) => {
    const passes = expression.evaluate({ record: stageView(record) });
    if (typeof passes === 'boolean') return passes;
    throw failed(`${text}: must give true or false, and gave ${kindOf(passes)}`);
  };
}

function changeOf(text: string): (record: IngestRecord) => unknown {
  const expression = compileExpression(text, STAGE_RECORD);
  return (record) => expression.evaluate({ record: stageView(record) });
}

/** All expressions see the data as it was: none sees what another one sets. */
function additionOf(fields: Readonly<Record<string, string>>): (record: IngestRecord) => unknown {
  const compiled = Object.entries(fields).map(([name, text]): [string, Expression] => [
    name,
    compileExpression(text, STAGE_RECORD),
  ]);
  return (record) => {
    const made: Record<string, unknown> = { ...fieldsOf(record, 'set') };
    const view = { record: stageView(record) };
    for (const [name, expression] of compiled) made[name] = expression.evaluate(view);
    return made;
  };
}

function omissionOf(names: readonly string[]): (record: IngestRecord) => unknown {
  return (record) => {
    const kept = { ...fieldsOf(record, 'drop') };
    for (const name of names) delete kept[name];
    return kept;
  };
}

function fieldsOf({ data }: IngestRecord, stage: string): Record<string, unknown> {
  const isMap =
    typeof data === 'object' && data !== null && !Array.isArray(data) && !(data instanceof Uint8Array);
  if (isMap) return data as Record<string, unknown>;
  throw failed(`${stage}: the data has no fields, it is ${kindOf(data)}`);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : typeof value;
}

function failed(message: string): HeadgateError {
  return new HeadgateError('HG_EXPRESSION_FAILED', message);
}

function moduleStage({ name, concurrency }: StageEntry, module: string, folder: string): Stage {
  const value = loadExport(module, folder);
  const stageName = name ?? module.split('#')[1] ?? 'module';
  if (typeof value === 'function') {
    const isAsync = concurrency !== undefined || value.constructor.name === 'AsyncFunction';
    if (!isAsync) return transform(value as (record: IngestRecord) => unknown, stageName);
    const options = concurrency === undefined ? { stageName } : { stageName, concurrency };
    return transformAsync(value as (record: IngestRecord) => Promise<unknown>, options);
  }
  if (typeof value === 'object' && value !== null && 'kind' in value && 'stageName' in value) {
    return name === undefined ? (value as Stage) : { ...(value as Stage), stageName: name };
  }
  throw new HeadgateError(
    'HG_MODULE_FAILED',
    `"${module}" must be a stage, as filter() or transform() make one, or a function of a record`,
  );
}
