/** Addresses without their secrets, and what else of HTTP the sources have in common. */

export function isUrlOf(text: string, protocols: readonly string[]): boolean {
  const url = URL.parse(text);
  return url !== null && protocols.includes(url.protocol) && url.hostname !== '';
}

/** The address without user name and password, to connect to. */
export function bareUrl(text: string): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.hash = '';
  return url.href;
}

/** The address as messages may show it: without user name, password, query and fragment. */
export function publicUrl(text: string): string {
  const url = new URL(text);
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** The Authorization header that the address asks for, null if it names no user. */
export function basicAuthorization(text: string): string | null {
  const { username, password } = new URL(text);
  if (username === '' && password === '') return null;
  const credentials = `${decode(username)}:${decode(password)}`;
  return `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Whether HTTP allows these names and values. */
export function areHeaders(headers: Record<string, string>): boolean {
  try {
    new Headers(headers);
    return true;
  } catch {
    return false;
  }
}
