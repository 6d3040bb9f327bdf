/** The keys of records towards the outside, `gatewayId:dbUuid:seq`, of alerts `gatewayId:dbUuid:tSeq`: what a
 *  far end knows them by.
 *
 *  A database that was restored from a backup gives out the numbers after the backup a second time. So it
 *  gets another `dbUuid` for them: what was stored before keeps its key, and is known to a far end that gets
 *  it again; what comes after has a key nobody ever had. */

/** A database that this one goes back to. */
export interface Ancestor {
  readonly dbUuid: string;
  /** The last numbers that were given out under its name. */
  readonly recordSeq: number;
  readonly timelineSeq: number;
}

export interface DatabaseNames {
  readonly gatewayId: string;
  readonly dbUuid: string;
  /** The oldest first, with rising numbers. */
  readonly ancestors: readonly Ancestor[];
}

export interface RecordKeys {
  record(seq: number): string;
  alert(seq: number): string;
}

export function recordKeys({ gatewayId, dbUuid, ancestors }: DatabaseNames): RecordKeys {
  const nameAt = (seq: number, last: 'recordSeq' | 'timelineSeq') =>
    ancestors.find((ancestor) => seq <= ancestor[last])?.dbUuid ?? dbUuid;
  return {
    record: (seq) => `${gatewayId}:${nameAt(seq, 'recordSeq')}:${seq}`,
    alert: (seq) => `${gatewayId}:${nameAt(seq, 'timelineSeq')}:t${seq}`,
  };
}
