/** Changes to an engine that runs, as the messages that its parts are told, and what the timeline is to keep
 *  of them. The stages go first: they alone can fail, and then nothing has changed. */

import { z } from 'zod';
import { reconfigurationSchema, type EngineOptions } from '../config/engine-options.ts';
import { resolveOptions } from '../config/resolve-options.ts';
import { milliseconds } from '../config/source-options.ts';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { CommandOptions, ConfigNote, ReconfigureOptions } from './engine-report.ts';
import type { ConfigureCommand } from './pending-requests.ts';
import type { Stage } from '../pipeline/stage.ts';
import { burstSettings } from './run-settings.ts';

/** What `engine.reconfigure` takes. */
export interface Reconfiguration extends Omit<z.input<typeof reconfigurationSchema>, 'stages'> {
  /** Stages, in the order records go through them. */
  readonly stages?: readonly Stage[];
}

/** The options that are to be others from now on, resolved; those that are left out stay as they are. */
export type Changes = Partial<Pick<EngineOptions, 'rateLimit' | 'burst' | 'stages'>>;

const cause = z
  .int('must be the seq of a row of the timeline')
  .min(1, 'must be the seq of a row of the timeline')
  .optional();
const reconfigureSchema = z.strictObject({ cause, deadlineMs: milliseconds().optional() });
const noteSchema = z.strictObject({
  event: z.custom<ConfigNote['event']>(
    (value) => typeof value === 'string' && /^config\.[A-Za-z.]{1,64}$/.test(value),
    'must be "config." and a word, such as "config.applied"',
  ),
  data: z.record(z.string(), z.unknown()).default({}),
});

/** @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID */
export function resolveChanges(input: Reconfiguration, options: ReconfigureOptions) {
  const resolved = resolveOptions(reconfigurationSchema, input, 'reconfigure');
  const given = Object.entries(resolved).filter(([, value]) => value !== undefined);
  return {
    changes: Object.fromEntries(given) as Changes,
    how: resolveOptions(reconfigureSchema, options, 'reconfigure'),
  };
}

/** @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID */
export function resolveConfigNote(input: ConfigNote, options: CommandOptions) {
  const { event, data } = resolveOptions(noteSchema, input, 'noteConfig');
  const { cause: seq = null } = resolveOptions(z.strictObject({ cause }), options, 'noteConfig');
  return { note: { event, data: plain(data) }, cause: seq };
}

/** What comes back of it from JSON: what cannot be written would cost what is written with it. */
function plain(data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  let problem: string;
  try {
    const text = JSON.stringify(data);
    if (text.length <= LIMITS.configNoteCharsMax) return JSON.parse(text) as Record<string, unknown>;
    problem = `takes ${text.length} characters as JSON; ${LIMITS.configNoteCharsMax} are allowed`;
  } catch (error) {
    problem = `cannot be written as JSON: ${messageOf(error)}`;
  }
  throw new HeadgateError('HG_OPTION_INVALID', `noteConfig: option "data": ${problem}`, {
    details: { subject: 'noteConfig', field: 'data' },
  });
}

type ResolvedHow = z.output<typeof reconfigureSchema>;

/** The messages that make these changes, in their order. */
export function commandsFor(
  { stages, rateLimit, burst }: Changes,
  { cause: seq, deadlineMs = LIMITS.reconfigureDeadlineMs }: ResolvedHow,
): ConfigureCommand[] {
  const from = seq === undefined ? {} : { cause: seq };
  const commands: ConfigureCommand[] = [];
  if (stages !== undefined) {
    const stageNames = stages.map(({ stageName }) => stageName);
    commands.push({ ...from, type: 'pipeline.configure', stageNames, deadlineMs });
  }
  if (rateLimit !== undefined) {
    commands.push({ ...from, ...rateLimit, type: 'rateLimiter.configure', rateLimit });
  }
  if (burst !== undefined) {
    const settings = burstSettings(burst);
    commands.push({ ...from, ...settings, type: 'burstDetector.configure', burst: settings });
  }
  return commands;
}
