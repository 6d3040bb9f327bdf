/** What can go wrong between the sink and NATS JetStream, as errors that say what to do. The client's errors
 *  are known by their names: its classes come from a package that may be missing. */

import { linkAdvice } from '../../protocols/link-advice.ts';
import { HeadgateError, messageOf, type ErrorCode } from '../../../src/domain/errors.ts';

const UNAUTHORISED: readonly string[] = [
  'AuthorizationError',
  'UserAuthenticationExpiredError',
  'PermissionViolationError',
];

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

export interface ConnectFacts {
  readonly servers: string;
  /** Wall time, with which advice on certificates compares their dates. */
  readonly nowMs: number;
  /** The connection is one over TLS. */
  readonly overTls: boolean;
  /** The message where the error is a timeout: how far the connection had come. */
  readonly timedOut: string;
}

export function connectError(
  error: unknown,
  { servers, nowMs, overTls, timedOut }: ConnectFacts,
): HeadgateError {
  const name = nameOf(error);
  if (UNAUTHORISED.includes(name)) return unauthorised(error, servers);
  if (name === 'TimeoutError') {
    return new HeadgateError('HG_LINK_TIMEOUT', timedOut, { cause: error });
  }
  // The server says so before any handshake.
  if (/does not support 'tls'/.test(messageOf(error))) {
    return new HeadgateError(
      'HG_LINK_REFUSED',
      `cannot connect to ${servers}: it does not speak TLS; begin the address with nats:// and leave tls out`,
      { cause: error },
    );
  }
  const advice = linkAdvice(codeBehind(error), error, { nowMs, overTls });
  const text = `cannot connect to ${servers}: ${advice}`;
  return new HeadgateError('HG_LINK_REFUSED', text, { cause: error });
}

/** The system's code, or that of TLS, which the client hands on within errors of its own. */
function codeBehind(error: unknown): string {
  let inner = error;
  for (let depth = 0; depth < CAUSES_MAX && inner !== undefined && inner !== null; depth++) {
    const { code, cause } = inner as { code?: unknown; cause?: unknown };
    if (typeof code === 'string') return code;
    inner = cause;
  }
  return '';
}

const CAUSES_MAX = 4;

export function unauthorised(error: unknown, servers: string): HeadgateError {
  return new HeadgateError(
    'HG_LINK_UNAUTHORISED',
    `${servers} refuses: ${messageOf(error)}; correct auth, or what the server permits`,
    { cause: error },
  );
}

/** What the server says of the connection, before it may close it: that a permission or a session has ended,
 *  or that it does not take what it was sent, which may be the fault of one message. */
export function serverError(error: Error, servers: string): HeadgateError {
  return UNAUTHORISED.includes(nameOf(error)) ? unauthorised(error, servers) : serverGone(servers, error);
}

export function serverGone(servers: string, reason: unknown): HeadgateError {
  const why = reason instanceof Error ? messageOf(reason) : 'the connection was closed';
  return new HeadgateError('HG_LINK_LOST', `lost the connection to ${servers}: ${why}`);
}

/** Of a stream's answer: the message is larger than the stream takes; it is of another stream than the one
 *  named. */
const MESSAGE_TOO_LARGE = 10_054;
const OTHER_STREAM = 10_060;
/** A stream that holds so many messages of each subject is full for one subject, not for others. */
const SUBJECT_FULL = /per subject/;

/** A message was not stored, as far as is known. What the server says of its subject or size is refused;
 *  where it says so of all messages, the engine takes it for trouble of the link. */
export function publishError(error: unknown, subject: string, ackTimeoutMs: number): HeadgateError {
  const name = nameOf(error);
  const refused = (code: ErrorCode, message: string, details: object = {}) =>
    new HeadgateError(code, message, { details: { subject, ...details }, cause: error, remedy: 'drop' });
  if (name === 'JetStreamNotEnabled') {
    // So the client calls it when nobody answers.
    return refused(
      'HG_LINK_REFUSED',
      `no stream takes the subject "${subject}"; create one, let the sink do it (stream.create), or enable ` +
        'JetStream at the server',
    );
  }
  if (isPublishDenied(error)) {
    const advice = 'correct auth, or what the server permits';
    return refused('HG_LINK_UNAUTHORISED', `the server refuses a message to "${subject}"; ${advice}`);
  }
  if (name === 'TimeoutError') {
    return new HeadgateError(
      'HG_SINK_TIMEOUT',
      `no acknowledgement for a message to "${subject}" within ${ackTimeoutMs} ms`,
      { details: { subject }, cause: error },
    );
  }
  const { code } = error as { code?: unknown };
  if (code === MESSAGE_TOO_LARGE) return tooLarge(subject, 'its stream takes');
  if (typeof code === 'number') {
    const what = `the stream did not take a message to "${subject}": ${messageOf(error)} (${code})`;
    const isOfTheMessage = code === OTHER_STREAM || SUBJECT_FULL.test(messageOf(error));
    if (isOfTheMessage) return refused('HG_SINK_REFUSED', what, { code });
    return new HeadgateError('HG_LINK_REFUSED', what, { details: { subject, code }, cause: error });
  }
  return new HeadgateError('HG_LINK_LOST', `a message to "${subject}" was not sent: ${messageOf(error)}`, {
    details: { subject },
    cause: error,
  });
}

/** Whether the server forbids to publish to a subject: that speaks of the messages to it, not of the link. */
export function isPublishDenied(error: unknown): boolean {
  const { operation, cause } = (error ?? {}) as { operation?: unknown; cause?: unknown };
  // The client hands it on within an error of the request.
  return operation === 'publish'
    ? nameOf(error) === 'PermissionViolationError'
    : nameOf(error) === 'RequestError' && isPublishDenied(cause);
}

export function tooLarge(subject: string, than: string): HeadgateError {
  return new HeadgateError('HG_SINK_REFUSED', `a message to "${subject}" is larger than ${than}`, {
    details: { subject },
  });
}
