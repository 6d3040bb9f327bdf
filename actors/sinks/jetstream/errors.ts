/** What can go wrong between the sink and NATS JetStream, as errors that say what to do. The client's errors
 *  are known by their names: its classes come from a package that may be missing. */

import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';

const UNAUTHORISED: readonly string[] = [
  'AuthorizationError',
  'UserAuthenticationExpiredError',
  'PermissionViolationError',
];

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

export function connectError(error: unknown, servers: string): HeadgateError {
  const name = nameOf(error);
  if (UNAUTHORISED.includes(name)) return unauthorised(error, servers);
  if (name === 'TimeoutError') {
    return new HeadgateError('HG_LINK_TIMEOUT', `${servers} did not accept the connection in time`, {
      cause: error,
    });
  }
  const text = `cannot connect to ${servers}: ${messageOf(error)}; start the server or correct servers`;
  return new HeadgateError('HG_LINK_REFUSED', text, { cause: error });
}

export function unauthorised(error: unknown, servers: string): HeadgateError {
  return new HeadgateError(
    'HG_LINK_UNAUTHORISED',
    `${servers} refuses: ${messageOf(error)}; correct auth, or what the server permits`,
    { cause: error },
  );
}

export function serverGone(servers: string, reason: unknown): HeadgateError {
  const why = reason instanceof Error ? messageOf(reason) : 'the connection was closed';
  return new HeadgateError('HG_LINK_LOST', `lost the connection to ${servers}: ${why}`);
}

/** Of a stream's answer: the message is larger than the stream takes. */
const MESSAGE_TOO_LARGE = 10_054;

/** A message was not stored, as far as is known. */
export function publishError(error: unknown, subject: string, ackTimeoutMs: number): HeadgateError {
  const name = nameOf(error);
  const details = { subject };
  if (name === 'JetStreamNotEnabled') {
    // So the client calls it when nobody answers.
    return new HeadgateError(
      'HG_LINK_REFUSED',
      `no stream takes the subject "${subject}"; create one, let the sink do it (stream.create), or enable ` +
        'JetStream at the server',
      { details, cause: error },
    );
  }
  if (name === 'TimeoutError') {
    return new HeadgateError(
      'HG_SINK_TIMEOUT',
      `no acknowledgement for a message to "${subject}" within ${ackTimeoutMs} ms`,
      { details, cause: error },
    );
  }
  const { code } = error as { code?: unknown };
  if (code === MESSAGE_TOO_LARGE) return tooLarge(subject, 'its stream takes');
  if (typeof code === 'number') {
    const what = `the stream did not take a message to "${subject}": ${messageOf(error)} (${code})`;
    return new HeadgateError('HG_LINK_REFUSED', what, { details: { subject, code }, cause: error });
  }
  return new HeadgateError('HG_LINK_LOST', `a message to "${subject}" was not sent: ${messageOf(error)}`, {
    details,
    cause: error,
  });
}

export function tooLarge(subject: string, than: string): HeadgateError {
  return new HeadgateError('HG_SINK_REFUSED', `a message to "${subject}" is larger than ${than}`, {
    details: { subject },
  });
}
