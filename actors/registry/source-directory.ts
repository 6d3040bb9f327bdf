/** The directory: which sources are registered, where they run, who waits for what. The registry decides, the
 *  directory remembers; it holds every source that has not ended. */

import { formatAddress, parseAddress } from '../../src/domain/address.ts';
import { HeadgateError, type ErrorCode, type ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { SourceSpec } from '../../src/domain/source.ts';
import type { Admission, Directory, Placement, RegistryCommand } from '../../machines/registry-machine.ts';
import type { RegistryEntry } from '../../machines/support/command-rejection.ts';
import type { SourceRuntime } from '../sources/runtime/source-runtime.ts';
import { subjectName } from './subject-name.ts';

interface Entry extends Placement {
  readonly runtime: SourceRuntime;
  /** Told to go; it stays listed until it has ended. */
  leaving: boolean;
  successor: SourceSpec | null;
  /** Requests to be answered when it has ended. */
  waiting: readonly RegistryCommand[];
}

const NOBODY: readonly RegistryCommand[] = [];

interface Shard {
  readonly id: string;
  /** Ids of children that no source has now. */
  readonly free: string[];
}

export interface DirectoryPorts {
  readonly createRuntime: (spec: SourceSpec) => SourceRuntime;
  /** Why the engine cannot run such a source; null if it can. */
  readonly problemOf: (spec: SourceSpec) => ErrorFacts | null;
  /** A source was entered, or has ended. */
  readonly onAdmitted: (runtime: SourceRuntime) => void;
  /** `successor`: what takes its place under the same name. */
  readonly onReleased: (runtime: SourceRuntime, successor: SourceSpec | null) => void;
  readonly answer: (
    command: RegistryCommand,
    outcome: ErrorFacts | null,
    runtime: SourceRuntime | null,
  ) => void;
  readonly note: (event: object, note: RegistryEntry) => void;
}

export class SourceDirectory implements Directory {
  readonly #ports: DirectoryPorts;
  readonly #byName = new Map<string, Entry>();
  readonly #byChild = new Map<string, Entry>();
  readonly #shards: Shard[] = [];
  /** Shards with room, the fullest last. */
  #roomy: Shard[] = [];

  constructor(ports: DirectoryPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#byName.size;
  }

  get shardIds(): readonly string[] {
    return this.#shards.map((shard) => shard.id);
  }

  /** The runtimes of all sources that have not ended, in order of registration. */
  *runtimes(): IterableIterator<SourceRuntime> {
    for (const entry of this.#byName.values()) yield entry.runtime;
  }

  /** Records in all outlets. */
  get waitingRecords(): number {
    let records = 0;
    for (const runtime of this.runtimes()) records += runtime.queue.size + runtime.queue.blocked;
    return records;
  }

  /** Whether a source of this name, as users see it, has not ended. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  find(id: string): SourceRuntime | undefined {
    return this.#byName.get(formatAddress(parseAddress(id)))?.runtime;
  }

  byActorId(actorId: string): SourceRuntime | undefined {
    const runtime = this.#byName.get(actorId.slice(0, actorId.lastIndexOf('#')))?.runtime;
    return runtime?.actorId === actorId ? runtime : undefined;
  }

  refusal(command: RegistryCommand): ErrorFacts | null {
    if (command.type === 'registry.list' || command.type === 'registry.close') return null;
    const name = subjectName(command);
    const entry = this.#byName.get(name);
    if (command.type === 'registry.register') {
      if (entry === undefined) return this.#ports.problemOf(command.spec);
      const state = entry.leaving ? 'is still draining' : 'is registered already';
      return refusal(
        'HG_SOURCE_DUPLICATE',
        `source "${name}" ${state}; deregister it first or choose another id`,
      );
    }
    if (entry === undefined) {
      return refusal(
        'HG_SOURCE_UNKNOWN',
        `no source "${name}" is registered; registry.list names those that are`,
      );
    }
    const isForced = command.type === 'registry.deregister' && command.mode === 'now';
    if (!entry.leaving || isForced) {
      return command.type === 'registry.update' ? this.#ports.problemOf(command.spec) : null;
    }
    return refusal('HG_SOURCE_STOPPED', `source "${name}" is on its way out and takes no more commands`);
  }

  admit(spec: SourceSpec): Admission {
    const runtime = this.#ports.createRuntime(spec);
    const opensShard = this.#roomy.length === 0;
    if (opensShard) this.#roomy.push(this.#openShard());
    const shard = this.#roomy.at(-1) as Shard;
    const childId = shard.free.pop() as string;
    if (shard.free.length === 0) this.#roomy.pop();
    const { actorId } = runtime;
    const placement = { childId, actorId, shardId: shard.id };
    const entry: Entry = { ...placement, runtime, leaving: false, successor: null, waiting: NOBODY };
    this.#byName.set(runtime.name, entry);
    this.#byChild.set(childId, entry);
    this.#ports.onAdmitted(runtime);
    const { restart, breaker, drainDeadlineMs } = spec;
    return {
      ...placement,
      opensShard,
      input: { actorId, runtime, restart, breaker, drainDeadlineMs, resume: runtime.resume },
    };
  }

  locate(command: RegistryCommand): Placement {
    const entry = this.#byName.get(subjectName(command));
    if (entry === undefined)
      throw new HeadgateError('HG_SOURCE_UNKNOWN', `no source "${subjectName(command)}"`);
    return entry;
  }

  retire(placement: Placement, command: RegistryCommand, successor: SourceSpec | null): void {
    const entry = this.#byChild.get(placement.childId) as Entry;
    entry.leaving = true;
    entry.successor = successor;
    entry.waiting = [...entry.waiting, command];
    if (successor === null) entry.runtime.deregisteredAtMs ??= entry.runtime.nowMs;
  }

  release(childId: string): SourceSpec | null {
    const entry = this.#byChild.get(childId);
    if (entry === undefined) return null;
    this.#byChild.delete(childId);
    this.#byName.delete(entry.runtime.name);
    this.#vacate(entry);
    this.#ports.onReleased(entry.runtime, entry.successor);
    for (const command of entry.waiting) this.#ports.answer(command, null, entry.runtime);
    return entry.successor;
  }

  answer(command: RegistryCommand, outcome: ErrorFacts | null): void {
    const name = outcome === null && command.type !== 'registry.list' ? subjectName(command) : null;
    this.#ports.answer(command, outcome, name === null ? null : (this.#byName.get(name)?.runtime ?? null));
  }

  note(event: object, note: RegistryEntry): void {
    this.#ports.note(event, note);
  }

  #openShard(): Shard {
    const id = `shard-${this.#shards.length + 1}`;
    const free = Array.from({ length: LIMITS.shardSourcesMax }, (_, place) => `${id}:${place + 1}`).reverse();
    const shard = { id, free };
    this.#shards.push(shard);
    return shard;
  }

  #vacate({ shardId, childId }: Placement): void {
    const shard = this.#shards[Number(shardId.slice('shard-'.length)) - 1] as Shard;
    if (shard.free.length === 0) this.#roomy.push(shard);
    shard.free.push(childId);
  }
}

function refusal(code: ErrorCode, message: string): ErrorFacts {
  return { code, message };
}
