/** How what belongs to one source, or one sink, is looked up. */

export function cursorKey(tenant: string, id: string): string {
  return `${tenant}/${id}`;
}
