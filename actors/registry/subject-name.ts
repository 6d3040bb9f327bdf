/** Whom a command is about. */

import { addressOf, formatAddress, parseAddress } from '../../src/domain/address.ts';
import type { RegistryCommand } from '../../machines/registry-machine.ts';
import type { SinksCommand } from '../../machines/sinks-machine.ts';

/** The source or the sink as users see it; empty for a command that is about none. */
export function subjectName(command: RegistryCommand | SinksCommand): string {
  if ('spec' in command) return addressOf(command.spec);
  return 'id' in command ? formatAddress(parseAddress(command.id)) : '';
}
