/** Topics and topic filters: which are well formed, and which filter matches which topic (MQTT 5.0, 4.7 and
 *  4.8). */

const SHARE_PREFIX = '$share/';
const TOPIC_BYTES_MAX = 65_535;

/** Why `filter` is no topic filter, or null if it is one. */
export function filterProblem(filter: string): string | null {
  const problem = textProblem(filter);
  if (problem !== null) return problem;
  if (filter.startsWith(SHARE_PREFIX)) return sharedProblem(filter);
  const levels = filter.split('/');
  for (const [index, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || index < levels.length - 1)) {
      return '"#" must be a whole level and the last one, as in "plant/#"';
    }
    if (level.includes('+') && level !== '+') return '"+" must be a whole level, as in "plant/+/speed"';
  }
  return null;
}

/** Why nothing can be published to `topic`, or null if something can. */
export function topicProblem(topic: string): string | null {
  if (/[+#]/.test(topic)) return 'a topic to publish to has no wildcards "+" and "#"';
  return textProblem(topic);
}

/** Why `group` is no name of a group of sharers, or null if it is one. */
export function shareGroupProblem(group: string): string | null {
  if (/[/+#]/.test(group)) return 'the name of a group has no "/", "+" or "#"';
  return textProblem(group);
}

function textProblem(text: string): string | null {
  if (text === '') return 'must not be empty';
  if (text.includes('\0')) return 'must not contain the character NUL';
  if (!text.isWellFormed()) return 'must be well-formed Unicode; it contains half a surrogate pair';
  if (new TextEncoder().encode(text).length > TOPIC_BYTES_MAX)
    return `is longer than ${TOPIC_BYTES_MAX} bytes`;
  return null;
}

function sharedProblem(filter: string): string | null {
  const [, group = '', ...rest] = filter.split('/');
  const inner = rest.join('/');
  if (inner === '') return 'a shared filter is written "$share/group/filter"';
  return shareGroupProblem(group) ?? filterProblem(inner);
}

export function sharedFilter(group: string, filter: string): string {
  return `${SHARE_PREFIX}${group}/${filter}`;
}

export function isShared(filter: string): boolean {
  return filter.startsWith(SHARE_PREFIX);
}

/** The part of a filter that topics are compared with. */
export function withoutShare(filter: string): string {
  return isShared(filter) ? filter.split('/').slice(2).join('/') : filter;
}

export function hasWildcard(filter: string): boolean {
  return /[+#]/.test(withoutShare(filter));
}

/** Makes the test whether `filter`, which must be well formed, matches a topic. */
export function topicMatcher(filter: string): (topic: string) => boolean {
  const plain = withoutShare(filter);
  if (!hasWildcard(plain)) return (topic) => topic === plain;
  const levels = plain.split('/');
  return (topic) => levelsMatch(levels, topic.split('/'));
}

function levelsMatch(filter: readonly string[], topic: readonly string[]): boolean {
  // A wildcard at the first level leaves out the broker's own topics, `$SYS` and the like [MQTT-4.7.2-1].
  if (topic[0]?.startsWith('$') && (filter[0] === '#' || filter[0] === '+')) return false;
  for (const [index, level] of filter.entries()) {
    // "a/#" matches "a" too: "#" stands for any number of levels, none included.
    if (level === '#') return true;
    if (index >= topic.length || (level !== '+' && level !== topic[index])) return false;
  }
  return filter.length === topic.length;
}
