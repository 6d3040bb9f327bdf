/** Records a second of NDJSON that is posted and stored before it is answered: through ingest into an engine,
 *  and through a bare Node server that splits, parses and inserts in batches. One run of one of them. */

import { createServer } from 'node:http';
import { bareLog, sendTo, SENDER, withIngest } from './ingest-peer.ts';
import { UPLOAD_RECORDS } from './ingest-shape.ts';
import type { SensorReading } from './readings.ts';
import { scratchFolder } from './scratch.ts';
import { checkStored } from './stored-records.ts';

export interface HttpIngestOptions {
  readonly server: 'engine' | 'bare';
  readonly warmUpUploads: number;
  readonly uploads: number;
}

export async function measureHttpIngest(options: HttpIngestOptions): Promise<number> {
  const { server, warmUpUploads, uploads } = options;
  using scratch = scratchFolder();
  const path = scratch.nextFile();
  const load = { kind: 'http', warmUp: warmUpUploads, measured: uploads } as const;
  const seconds =
    server === 'engine'
      ? await withIngest(path, (ingest) =>
          sendTo(
            createServer((request, response) => void ingest.handle(request, response, SENDER, 'uploads')),
            load,
          ),
        )
      : await throughBare(path, load);
  checkStored(path, (warmUpUploads + uploads) * UPLOAD_RECORDS);
  return (uploads * UPLOAD_RECORDS) / seconds;
}

async function throughBare(path: string, load: Parameters<typeof sendTo>[1]): Promise<number> {
  const log = bareLog(path);
  let sum = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const lines = Buffer.concat(chunks).toString().trimEnd().split('\n');
      for (const line of lines) sum += (JSON.parse(line) as SensorReading).value;
      log.store(lines, () => {
        const answer = JSON.stringify({ accepted: lines.length, rejected: 0, errors: [] });
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
        response.end(answer);
      });
    });
  });
  const seconds = await sendTo(server, load);
  log.close();
  if (!(sum > 0)) throw new Error('the server did nothing');
  return seconds;
}
