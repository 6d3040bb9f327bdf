/** The options of a file source, resolved. */

import type { DecodeErrorReporter } from '../../../src/pipeline/decode/payload-decoder.ts';
import type { CsvOptions, RowFormat } from '../../../src/pipeline/decode/rows.ts';

export interface ReadingPlan {
  readonly format: RowFormat;
  readonly csv: CsvOptions;
  readonly lineBytesMax: number;
  readonly rejections: DecodeErrorReporter;
}

export interface FollowPlan extends ReadingPlan {
  readonly path: string;
  readonly mode: 'tail' | 'read';
  readonly startAt: 'beginning' | 'end';
  readonly pollMs: number;
  readonly rotated: readonly string[];
}
