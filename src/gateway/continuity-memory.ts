/** The facts about a gateway's configuration that its database keeps: what ran, and what is gone of it. */

/** Those that are gone and whose cursors are kept, by address: how much of the grace is used up. */
export type Gone = Readonly<Record<string, { readonly usedMs: number }>>;

export interface Memory {
  readonly tokensSeen: boolean;
  readonly sections: readonly string[];
  readonly sources: readonly string[];
  readonly sinks: readonly string[];
  /** Of sinks. */
  readonly gone: Gone;
  readonly goneSources: Gone;
}

const NOTHING: Memory = {
  ...{ tokensSeen: false, sections: [], sources: [], sinks: [] },
  ...{ gone: {}, goneSources: {} },
};

/** `text` is what was kept; null: nothing. An earlier version may have kept less. */
export function memoryOf(text: string | null): Memory {
  return { ...NOTHING, ...(text === null ? {} : (JSON.parse(text) as Partial<Memory>)) };
}

/** Those that are not present: the ones before, and those that were lost now. */
export function goneNow(before: Gone, present: readonly string[], lost: readonly string[]): Gone {
  const back = new Set(present);
  const left = Object.entries(before).filter(([name]) => !back.has(name));
  return Object.fromEntries([...left, ...lost.map((name) => [name, { usedMs: 0 }] as const)]);
}

export function aged(gone: Gone, passedMs: number): Gone {
  const entries = Object.entries(gone);
  return Object.fromEntries(entries.map(([name, { usedMs }]) => [name, { usedMs: usedMs + passedMs }]));
}

/** The names among them whose grace is over. */
export function overdue(gone: Gone, graceMs: number): string[] {
  return Object.entries(gone).flatMap(([name, { usedMs }]) => (usedMs >= graceMs ? [name] : []));
}

/** The wait until the next grace is over; null: nothing is gone. */
export function nextWaitMs({ gone, goneSources }: Memory, graceMs: number): number | null {
  let usedMsMax: number | null = null;
  for (const entries of [gone, goneSources])
    for (const { usedMs } of Object.values(entries)) usedMsMax = Math.max(usedMsMax ?? 0, usedMs);
  return usedMsMax === null ? null : graceMs - usedMsMax;
}

/** The memory without those whose cursors were given up. */
export function withoutGone(memory: Memory, sinks: readonly string[], sources: readonly string[]): Memory {
  return {
    ...memory,
    gone: goneNow(memory.gone, sinks, []),
    goneSources: goneNow(memory.goneSources, sources, []),
  };
}
