/** Why a test is skipped stands in its title. */

/** To be added to the title; empty where nothing is in the way. */
export function skipNote(reason: string | null | undefined): string {
  return reason === null || reason === undefined ? '' : ` (skipped: ${reason})`;
}
