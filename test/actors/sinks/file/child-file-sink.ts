/** A process that writes records to a file sink, batch after batch, and prints how far it came. To be killed.
 *  Parameters: options of the sink as JSON, the first seq. */

import { fileSink, type FileSinkOptions } from '../../../../actors/sinks/file/file-sink.ts';
import { outbound, sinkBench } from '../../../support/sink-bench.ts';

const [options = '', first = '1'] = process.argv.slice(2);
const link = await sinkBench().open(fileSink(JSON.parse(options) as FileSinkOptions));
const text = 'line one\n"line" two, '.repeat(400);
for (let seq = Number(first); ;) {
  const batch = Array.from({ length: 1 + (seq % 37) }, (_, index) => outbound(seq + index, { text }));
  await link.deliver(batch);
  seq += batch.length;
  process.stdout.write(`${seq - 1}\n`);
}
