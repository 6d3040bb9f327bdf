/** The configuration of a gateway: one schema, from which validation, defaults, types, the reference page and
 *  the JSON Schema for editors are made. */

import { z } from 'zod';
import { burstSection, engineSection, limitsSection, storageSection } from './engine-sections.ts';
import {
  authSection,
  controlSection,
  httpSection,
  loggingSection,
  metricsSection,
} from './service-sections.ts';
import { sinksSchema } from './sink-entries.ts';
import { sourcesSchema } from './source-entries.ts';
import { stagesSchema } from './stage-entries.ts';

const exampleRecord = z.strictObject({
  data: z.unknown().describe('The data of the record.'),
  id: z.string().min(1).default('example').describe('The source it comes from.'),
  tenant: z.string().min(1).default('default').describe('The tenant of that source.'),
  atMs: z
    .number()
    .optional()
    .describe('The time it bears, epoch milliseconds. Default: that of its arrival.'),
  key: z.string().optional().describe('Its dedup key.'),
  contentType: z.string().optional().describe('The content type it came with.'),
});

const expectedRecord = z
  .strictObject({
    data: z.unknown().optional().describe('The data that comes out.'),
    poison: z
      .string()
      .optional()
      .describe('In the place of `data`: a stage fails for it, and the error holds this text.'),
  })
  .refine(({ data, poison }) => (data === undefined) !== (poison === undefined), {
    message: 'must have one of data and poison',
  });

const examplesSection = z
  .array(
    z.strictObject({
      name: z.string().min(1).describe('What the example shows.'),
      input: z.array(exampleRecord).describe('Records that go in.'),
      expect: z
        .array(expectedRecord)
        .describe('What comes out, in order. What a filter leaves out does not appear.'),
    }),
  )
  .default([])
  .describe('Examples of what the stages do; `headgate test FILE` tries them.');

const names = z.array(z.string().min(1).max(300)).default([]);

const removedSection = z
  .strictObject({
    sources: names.describe(
      'Ids of sources, `tenant/id` for those of another tenant than `default`. Their cursors go at once.',
    ),
    sinks: names.describe(
      'Ids of sinks, likewise. Their cursors go at once, with what they did not deliver.',
    ),
  })
  .prefault({})
  .describe('Sources and sinks that were removed on purpose: no alert is raised, and no cursor is kept.');

export const gatewaySchema = z.strictObject({
  $schema: z.string().optional().describe('Where an editor finds the JSON Schema; not used otherwise.'),
  engine: engineSection,
  storage: storageSection,
  sources: sourcesSchema,
  stages: stagesSchema,
  limits: limitsSection,
  burst: burstSection,
  sinks: sinksSchema,
  removed: removedSection,
  http: httpSection,
  auth: authSection,
  logging: loggingSection,
  control: controlSection,
  metrics: metricsSection,
  examples: examplesSection,
});

/** The configuration as its schema leaves it: defaults filled in, references and paths still to be
 *  resolved. */
export type ParsedConfig = z.output<typeof gatewaySchema>;
