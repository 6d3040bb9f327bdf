/** Topics compared the slow way: each sink with each source, each template with each filter. */

import { topicMatcher } from '../../../actors/protocols/mqtt/topics.ts';

const ANY = '\0';

/** The indices of the first filter of each listener that may take what `topic` makes; -1 for none. */
export function slowTakers(
  topic: string,
  listeners: readonly (readonly string[])[],
  sourceIds: readonly string[],
): number[] {
  const templates = templatesOf(topic, sourceIds);
  return listeners.map((filters) =>
    filters.findIndex((filter) => templates.some((template) => mayMatch(filter, template))),
  );
}

function templatesOf(topic: string, sourceIds: readonly string[]): string[] {
  const plain = topic.replaceAll('{tenant}', 'default').replaceAll(/\{data\.[^{}]*\}/g, ANY);
  if (!plain.includes('{sourceId}')) return [plain];
  return sourceIds.map((id) => plain.replaceAll('{sourceId}', id));
}

function mayMatch(filter: string, template: string): boolean {
  if (!template.includes(ANY)) return topicMatcher(filter)(template);
  if (template.startsWith('$') && /^[+#]/.test(filter)) return false;
  return levelsMayMatch(filter.split('/'), template.split('/'));
}

function levelsMayMatch(filter: readonly string[], template: readonly string[]): boolean {
  const [wanted, ...filterRest] = filter;
  const [level, ...templateRest] = template;
  if (wanted === '#') return true;
  if (wanted === undefined || level === undefined) return wanted === level;
  if (!level.includes(ANY)) {
    return (wanted === '+' || wanted === level) && levelsMayMatch(filterRest, templateRest);
  }
  const fits = wanted === '+' || fitsLevel(wanted, level);
  if (fits && levelsMayMatch(filterRest, templateRest)) return true;
  const opens = wanted === '+' || wanted.startsWith(level.slice(0, level.indexOf(ANY)));
  const rest = ANY + level.slice(level.lastIndexOf(ANY) + 1);
  return opens && filterRest.length > 0 && levelsMayMatch(filterRest, [rest, ...templateRest]);
}

function fitsLevel(text: string, level: string): boolean {
  const parts = level.split(ANY);
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  return text.length >= first.length + last.length && text.startsWith(first) && text.endsWith(last);
}
