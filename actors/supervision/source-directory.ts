/** The directory: which sources are registered, where they run, who waits for what. The registry decides, the
 *  directory remembers; it holds every source that has not ended. */

import { formatAddress, parseAddress } from '../../src/domain/address.ts';
import { HeadgateError, type ErrorCode, type ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { SourceSpec } from '../../src/domain/source.ts';
import type { Admission, Directory, Placement, RegistryCommand } from '../../machines/registry-machine.ts';
import type { ControllerNote } from '../../machines/refusals.ts';
import type { SourceRig } from '../sources/source-rig.ts';
import { subjectName } from './subject-name.ts';

interface Entry extends Placement {
  readonly rig: SourceRig;
  /** Told to go; it stays listed until it has ended. */
  leaving: boolean;
  successor: SourceSpec | null;
  /** Requests to be answered when it has ended. */
  waiting: readonly RegistryCommand[];
}

const NOBODY: readonly RegistryCommand[] = [];

interface Bay {
  readonly id: string;
  /** Ids of children that no source has now. */
  readonly free: string[];
}

export interface DirectoryPorts {
  readonly createRig: (spec: SourceSpec) => SourceRig;
  /** Why the engine cannot run such a source; null if it can. */
  readonly problemOf: (spec: SourceSpec) => ErrorFacts | null;
  /** A source was entered, or has ended. */
  readonly onAdmitted: (rig: SourceRig) => void;
  /** `successor`: what takes its place under the same name. */
  readonly onReleased: (rig: SourceRig, successor: SourceSpec | null) => void;
  readonly answer: (command: RegistryCommand, outcome: ErrorFacts | null, rig: SourceRig | null) => void;
  readonly note: (event: object, note: ControllerNote) => void;
}

export class SourceDirectory implements Directory {
  readonly #ports: DirectoryPorts;
  readonly #byName = new Map<string, Entry>();
  readonly #byChild = new Map<string, Entry>();
  readonly #bays: Bay[] = [];
  /** Bays with room, the fullest last. */
  #roomy: Bay[] = [];

  constructor(ports: DirectoryPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#byName.size;
  }

  get bayIds(): readonly string[] {
    return this.#bays.map((bay) => bay.id);
  }

  /** The rigs of all sources that have not ended, in order of registration. */
  *rigs(): IterableIterator<SourceRig> {
    for (const entry of this.#byName.values()) yield entry.rig;
  }

  /** Records in all outlets. */
  get waitingRecords(): number {
    let records = 0;
    for (const rig of this.rigs()) records += rig.queue.size + rig.queue.held;
    return records;
  }

  /** Whether a source of this name, as users see it, has not ended. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  find(id: string): SourceRig | undefined {
    return this.#byName.get(formatAddress(parseAddress(id)))?.rig;
  }

  byActorId(actorId: string): SourceRig | undefined {
    const rig = this.#byName.get(actorId.slice(0, actorId.lastIndexOf('#')))?.rig;
    return rig?.actorId === actorId ? rig : undefined;
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
    const rig = this.#ports.createRig(spec);
    const opensBay = this.#roomy.length === 0;
    if (opensBay) this.#roomy.push(this.#openBay());
    const bay = this.#roomy.at(-1) as Bay;
    const childId = bay.free.pop() as string;
    if (bay.free.length === 0) this.#roomy.pop();
    const { actorId } = rig;
    const placement = { childId, actorId, bayId: bay.id };
    const entry: Entry = { ...placement, rig, leaving: false, successor: null, waiting: NOBODY };
    this.#byName.set(rig.name, entry);
    this.#byChild.set(childId, entry);
    this.#ports.onAdmitted(rig);
    const { restart, breaker, drainDeadlineMs } = spec;
    return {
      ...placement,
      opensBay,
      input: { actorId, rig, restart, breaker, drainDeadlineMs, resume: rig.resume },
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
    if (successor === null) entry.rig.deregisteredAtMs ??= entry.rig.nowMs;
  }

  release(childId: string): SourceSpec | null {
    const entry = this.#byChild.get(childId);
    if (entry === undefined) return null;
    this.#byChild.delete(childId);
    this.#byName.delete(entry.rig.name);
    this.#vacate(entry);
    this.#ports.onReleased(entry.rig, entry.successor);
    for (const command of entry.waiting) this.#ports.answer(command, null, entry.rig);
    return entry.successor;
  }

  answer(command: RegistryCommand, outcome: ErrorFacts | null): void {
    const name = outcome === null && command.type !== 'registry.list' ? subjectName(command) : null;
    this.#ports.answer(command, outcome, name === null ? null : (this.#byName.get(name)?.rig ?? null));
  }

  note(event: object, note: ControllerNote): void {
    this.#ports.note(event, note);
  }

  #openBay(): Bay {
    const id = `bay-${this.#bays.length + 1}`;
    const free = Array.from({ length: LIMITS.baySourcesMax }, (_, place) => `${id}:${place + 1}`).reverse();
    const bay = { id, free };
    this.#bays.push(bay);
    return bay;
  }

  #vacate({ bayId, childId }: Placement): void {
    const bay = this.#bays[Number(bayId.slice('bay-'.length)) - 1] as Bay;
    if (bay.free.length === 0) this.#roomy.push(bay);
    bay.free.push(childId);
  }
}

function refusal(code: ErrorCode, message: string): ErrorFacts {
  return { code, message };
}
