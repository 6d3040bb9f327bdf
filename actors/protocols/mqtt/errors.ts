/** What can go wrong between an MQTT source and its broker, as errors that say what to do. No message bears a
 *  credential: URLs are shown as {@link shownUrl} gives them. */

import { HeadgateError, type ErrorCode } from '../../../src/domain/errors.ts';
import { shownSpan } from '../../../src/domain/time-text.ts';
import { linkAdvice, MAY_WANT_CERTIFICATE } from '../link-advice.ts';

/** The URL as messages may show it: no user, no password, no query. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}

/** CONNACK codes of 3.1.1 (1 to 5) and of 5 (128 and up) that speak of who may connect. */
const UNAUTHORISED_CODES: ReadonlySet<number> = new Set([4, 5, 134, 135, 138, 140]);

const CONNACK_ADVICE: Readonly<Record<number, string>> = {
  1:
    'it does not speak this MQTT version; set protocolVersion: 4 (MQTT 3.1.1; the broker that ' +
    '`headgate start` brings along speaks nothing else), or 5',
  2: 'it does not accept this client id; set clientId',
  3: 'it is not available now',
  4: 'wrong user name or password; correct username and password',
  5: 'not authorised; correct username and password, or the broker’s access list',
  132: 'it does not speak MQTT 5; set protocolVersion: 4',
  133: 'it does not accept this client id; set clientId',
  134: 'wrong user name or password; correct username and password',
  135: 'not authorised; correct username and password, or the broker’s access list',
  138: 'this client is banned',
};

/** `words`: what the broker said of it itself. */
export function connectionRefused(url: URL, reasonCode: number, reason: string, words = ''): HeadgateError {
  const code: ErrorCode = UNAUTHORISED_CODES.has(reasonCode) ? 'HG_LINK_UNAUTHORISED' : 'HG_LINK_REFUSED';
  const advice = CONNACK_ADVICE[reasonCode] ?? reason;
  return new HeadgateError(code, `the broker ${shownUrl(url)} refused the connection: ${advice}${words}`, {
    details: { url: shownUrl(url), reasonCode },
  });
}

/** The connection never stood. `nowMs` is the wall time, which advice on certificates compares with their
 *  dates. */
export function connectionFailed(url: URL, cause: unknown, nowMs?: number): HeadgateError {
  const code = codeOf(cause);
  const reason = linkAdvice(code, cause, { nowMs, overTls: isSecure(url) });
  return new HeadgateError('HG_LINK_REFUSED', `cannot connect to ${shownUrl(url)}: ${reason}`, {
    details: { url: shownUrl(url), ...(code === '' ? {} : { reason: code }) },
    cause,
  });
}

function isSecure({ protocol }: URL): boolean {
  return protocol === 'mqtts:' || protocol === 'wss:';
}

export function closedBeforeAnswer(url: URL): HeadgateError {
  return new HeadgateError(
    'HG_LINK_REFUSED',
    `cannot connect to ${shownUrl(url)}: it closed the connection before it answered; is it an MQTT ` +
      'broker, and does the url’s scheme (mqtt, mqtts) fit its port?' +
      (isSecure(url) ? ` Or ${MAY_WANT_CERTIFICATE}` : ''),
    { details: { url: shownUrl(url) } },
  );
}

/** The first bytes were an alert of TLS (RFC 8446, 5.1). */
export function answeredInTls(url: URL): HeadgateError {
  const secure = url.protocol === 'ws:' ? 'wss' : 'mqtts';
  return new HeadgateError(
    'HG_LINK_REFUSED',
    `cannot connect to ${shownUrl(url)}: it speaks TLS; begin the url with ${secure}://`,
    { details: { url: shownUrl(url) } },
  );
}

export function answeredWrongly(url: URL, packet: string): HeadgateError {
  return new HeadgateError(
    'HG_LINK_REFUSED',
    `cannot connect to ${shownUrl(url)}: it sent "${packet}" before it accepted the connection; ` +
      'is it an MQTT broker?',
    { details: { url: shownUrl(url) } },
  );
}

/** `missing`: how far the opening had come, as `connected to 10.0.0.7:1883, but no CONNACK`. */
export function connectTimedOut(url: URL, connectTimeoutMs: number, missing: string): HeadgateError {
  return new HeadgateError('HG_LINK_TIMEOUT', `${missing} within ${shownSpan(connectTimeoutMs)}`, {
    details: { url: shownUrl(url), connectTimeoutMs },
  });
}

/** A connection that stood is gone. */
export function connectionLost(
  url: URL,
  reason: string,
  cause?: unknown,
  reasonCode?: number,
): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', `lost the connection to ${shownUrl(url)}: ${reason}`, {
    details: { url: shownUrl(url), ...(reasonCode === undefined ? {} : { reasonCode }) },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The far end ended the connection in order, without a reason. */
export function closedByPeer(url: URL): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', `lost the connection to ${shownUrl(url)}: it was closed`, {
    details: { url: shownUrl(url), closedByPeer: true },
  });
}

export function heldBackTooLong(url: URL, heldMs: number): HeadgateError {
  return new HeadgateError(
    'HG_LINK_LOST',
    `held back ${shownUrl(url)} too long: the outlet had no room for ${heldMs} ms, half the keepalive, ` +
      'so the connection was closed; with clean: false the broker keeps what was not taken. Take records ' +
      'faster, enlarge the outlet, or let it drop',
    { details: { url: shownUrl(url), heldMs } },
  );
}

/** What a message brought could not be stored, so it must not be acknowledged, and nothing after it. */
export function notStored(url: URL): HeadgateError {
  return new HeadgateError(
    'HG_LINK_LOST',
    `closed the connection to ${shownUrl(url)}: a message was lost before it was stored, so it is not ` +
      'acknowledged; with clean: false the broker sends it again, and those after it',
    { details: { url: shownUrl(url) } },
  );
}

/** A packet that is no message, so that nothing would be left of the link if it were read over. */
export function packetTooLarge(url: URL, bytes: number, bytesMax: number): HeadgateError {
  return new HeadgateError(
    'HG_READ_TOO_LARGE',
    `the broker ${shownUrl(url)} announced a packet of ${bytes} bytes; payloadBytesMax allows ${bytesMax}`,
    { details: { url: shownUrl(url), bytes, bytesMax } },
  );
}

/** The link was closed soon after its opening, several times in a row. */
export function clientIdClash(url: URL, clientId: string, times: number): HeadgateError {
  return new HeadgateError(
    'HG_LINK_LOST',
    `lost the connection to ${shownUrl(url)}: the broker closed it soon after it was opened, ` +
      `${times} times in a row; another client seems to use the client id "${clientId}", and each takes ` +
      'the session over from the other: give each its own clientId',
    { details: { url: shownUrl(url), clientId, times } },
  );
}

/** The broker said that it offers no such subscriptions. */
export function subscriptionImpossible(url: URL, why: string): HeadgateError {
  return new HeadgateError(
    'HG_LINK_REFUSED',
    `the broker ${shownUrl(url)} cannot serve this source: ${why}`,
    {
      details: { url: shownUrl(url) },
    },
  );
}

/** The broker did not grant a subscription. 135 is MQTT 5’s "not authorised"; 3.1.1 knows only 128 for every
 *  reason. */
export function subscriptionRefused(url: URL, filter: string, reasonCode: number): HeadgateError {
  const unauthorised = reasonCode === 135;
  const why = unauthorised ? 'not authorised' : `reason code ${reasonCode}`;
  return new HeadgateError(
    unauthorised ? 'HG_LINK_UNAUTHORISED' : 'HG_LINK_REFUSED',
    `the broker ${shownUrl(url)} refused the subscription to "${filter}" (${why}); check the topic and the ` +
      'broker’s access list',
    { details: { url: shownUrl(url), filter, reasonCode } },
  );
}

function codeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
