/** What the ingest benchmarks send, and where to. */

export const INGEST_PATH = '/api/ingest/uploads';

/** Lines of one upload, and records of one WebSocket message. */
export const UPLOAD_RECORDS = 1_000;
export const MESSAGE_RECORDS = 100;
