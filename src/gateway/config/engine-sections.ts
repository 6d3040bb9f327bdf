/** The sections that become options of the engine: `engine`, `storage`, `limits`, `burst`. */

import { z } from 'zod';
import { burstSchema, engineOptionsSchema } from '../../config/engine-options.ts';
import { milliseconds } from '../../config/source-options.ts';
import { storageSchema } from '../../config/storage-options.ts';
import { limitField, without } from './fields.ts';

const { seed, health, records, reconnectsPerSecondMax } = engineOptionsSchema.shape;

export const engineSection = z
  .strictObject({
    seed: seed.describe(
      'Seeds every random choice, so that a run can be repeated. Default: another one at each start.',
    ),
    stopDeadlineMs: milliseconds()
      .default(10_000)
      .describe('How long a stop may take to bring what is under way to its end.'),
    removedGraceMs: milliseconds()
      .default(7 * 24 * 60 * 60 * 1_000)
      .describe(
        'How long the cursor of a source or sink that disappeared from the configuration is kept, in time ' +
          'that the gateway runs. One that comes back before goes on where it was.',
      ),
    reconnectsPerSecondMax,
    health: health.describe('How often the health of every source is written down.'),
  })
  .prefault({})
  .describe('The engine as a whole.');

export const storageSection = z
  .strictObject({
    path: z
      .string()
      .min(1)
      .default('headgate.db')
      .describe('The database file, seen from the folder of the configuration, or `:memory:`.'),
    records: records.describe('Whether and how records are kept.'),
    ...storageSchema.shape,
  })
  .prefault({})
  .describe('What is stored, where, and for how long.');

export const limitsSection = z
  .strictObject({
    global: limitField.nullable().default(null).describe('For all sources together.'),
    perSource: limitField
      .nullable()
      .default(null)
      .describe('For each source by itself that has no `rateLimit` of its own.'),
  })
  .prefault({})
  .describe('How many records a second are let in.');

export const burstSection = z
  .strictObject(without(burstSchema.shape, ['onBurst']))
  .nullable()
  .default(null)
  .describe('When many records in a short time are a burst, which raises an alert.');
