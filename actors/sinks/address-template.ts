/** Addresses made of a record: `plant/{sourceId}/{data.sensor}`. What may stand in braces: the tenant, the
 *  source, and fields of the record's data. */

import { z } from 'zod';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { OutboundRecord } from '../../src/domain/sink.ts';

/** The rules of one kind of address. Both functions name the problem, or null. */
export interface AddressRules {
  /** Of the whole: `topic`, `subject`. */
  readonly noun: string;
  /** Of a value that is filled in. */
  valueProblem(value: string): string | null;
  /** Of the whole address. */
  addressProblem(address: string): string | null;
}

const PLACEHOLDER = /\{([^{}]*)\}/g;
const KNOWN = '{sourceId}, {tenant} and {data.NAME}';

/** The schema of an option that holds such an address. */
export function templateSchema(rules: AddressRules) {
  return z.string().superRefine((template, context) => {
    const problem = templateProblem(template, rules);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });
}

function templateProblem(template: string, rules: AddressRules): string | null {
  for (const [whole, name = ''] of template.matchAll(PLACEHOLDER)) {
    if (!/^(?:sourceId|tenant|data(?:\.[^.{}]+)+)$/.test(name))
      return `does not know ${whole}; known: ${KNOWN}`;
  }
  const filled = template.replaceAll(PLACEHOLDER, 'x');
  if (/[{}]/.test(filled)) return `has a brace without its partner; placeholders are ${KNOWN}`;
  return rules.addressProblem(filled);
}

/** Makes the function from record to address. It throws HG_SINK_REFUSED for a record that has no such field,
 *  or a value in it that cannot stand in an address. */
export function addressOf(template: string, rules: AddressRules): (record: OutboundRecord) => string {
  if (template.search(PLACEHOLDER) < 0) return () => template;
  return (record) => {
    const address = template.replaceAll(PLACEHOLDER, (_, name: string) => valueOf(record, name, rules));
    const problem = rules.addressProblem(address);
    if (problem !== null) throw refused(`its ${rules.noun} would be ${shown(address)}: ${problem}`);
    return address;
  };
}

const ADDRESSABLE: readonly string[] = ['string', 'number', 'bigint', 'boolean'];

function valueOf(record: OutboundRecord, name: string, rules: AddressRules): string {
  const value = name === 'sourceId' || name === 'tenant' ? record[name] : fieldOf(record, name);
  if (!ADDRESSABLE.includes(typeof value)) {
    throw refused(`it has no text or number "${name}", which the ${rules.noun} asks for`);
  }
  const text = String(value);
  const problem = text === '' ? 'is empty' : rules.valueProblem(text);
  if (problem !== null) throw refused(`its "${name}" cannot stand in a ${rules.noun}: it ${problem}`);
  return text;
}

/** The value at a path like `data.sensor.name`; own fields only. */
export function fieldOf(record: OutboundRecord, path: string): unknown {
  let value: unknown = record;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** Characters of an address that a message shows. */
const SHOWN_CHARS_MAX = 200;

function shown(address: string): string {
  const isLong = address.length > SHOWN_CHARS_MAX;
  return JSON.stringify(isLong ? `${address.slice(0, SHOWN_CHARS_MAX)}…` : address);
}

function refused(message: string): HeadgateError {
  return new HeadgateError('HG_SINK_REFUSED', message);
}
