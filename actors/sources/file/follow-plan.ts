/** What the options of a file source come to. */

import type { Rejecter } from '../../../src/pipeline/decode/payload-intake.ts';
import type { CsvOptions, RowFormat } from '../../../src/pipeline/decode/rows.ts';

export interface ReadingPlan {
  readonly format: RowFormat;
  readonly csv: CsvOptions;
  readonly lineBytesMax: number;
  readonly rejections: Rejecter;
}

export interface FollowPlan extends ReadingPlan {
  readonly path: string;
  readonly mode: 'tail' | 'read';
  readonly startAt: 'beginning' | 'end';
  readonly pollMs: number;
  readonly rotated: readonly string[];
}
