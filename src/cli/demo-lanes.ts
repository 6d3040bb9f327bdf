/** Lines of time: a lane per source over an axis of seconds. Text only; who prints it adds colour. */

export interface LaneEvent {
  readonly atMs: number;
  readonly event: 'registered' | 'deregistered';
  readonly sourceId: string;
}

export interface Lane {
  readonly sourceId: string;
  /** `cells` characters: + at registration, ─ while it runs, × at deregistration. */
  readonly track: string;
}

/** One lane per source, in order of registration; what is not deregistered runs to the end. */
export function lanes(events: readonly LaneEvent[], durationMs: number, cells: number): Lane[] {
  const tracks = new Map<string, string[]>();
  const runningSince = new Map<string, number>();
  const fill = (sourceId: string, from: number, to: number) => {
    const track = tracks.get(sourceId) ?? [];
    for (let cell = from; cell <= to; cell++) if (track[cell] === ' ') track[cell] = '─';
  };
  for (const { atMs, event, sourceId } of events) {
    const track = tracks.get(sourceId) ?? Array<string>(cells).fill(' ');
    tracks.set(sourceId, track);
    const cell = cellAt(atMs, durationMs, cells);
    track[cell] = event === 'registered' ? '+' : '×';
    const since = runningSince.get(sourceId);
    if (event === 'registered') {
      runningSince.set(sourceId, cell);
    } else if (since !== undefined) {
      fill(sourceId, since, cell);
      runningSince.delete(sourceId);
    }
  }
  for (const [sourceId, since] of runningSince) fill(sourceId, since, cells - 1);
  return [...tracks].map(([sourceId, track]) => ({ sourceId, track: track.join('') }));
}

/** A line with `mark` at each of the times. */
export function marks(timesMs: readonly number[], durationMs: number, cells: number, mark: string): string {
  const line = Array<string>(cells).fill('·');
  for (const timeMs of timesMs) line[cellAt(timeMs, durationMs, cells)] = mark;
  return line.join('');
}

/** The seconds above the lanes, each at its place; left out where they would touch. */
export function timeAxis(durationMs: number, cells: number): string {
  let axis = '';
  for (let second = 0; second * 1_000 <= durationMs; second++) {
    const label = `${second}`;
    const cell = cellAt(second * 1_000, durationMs, cells);
    if (second > 0 && cell <= axis.length) continue;
    axis = axis.padEnd(cell) + label;
  }
  return `${axis} s`;
}

function cellAt(timeMs: number, durationMs: number, cells: number): number {
  return Math.min(cells - 1, Math.max(0, Math.round((timeMs / durationMs) * (cells - 1))));
}
