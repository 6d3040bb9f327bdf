/** What a program did to files, in the order in which the kernel was done with it. */

export type DiskOperation =
  /** A new name in a folder, with an empty file behind it. */
  | { readonly kind: 'create'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly path: string; readonly size: number }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly path: string }
  /** fsync or fdatasync, of a file or a folder. */
  | { readonly kind: 'sync'; readonly path: string }
  /** The program wrote this line to its notebook: from here on it has promised something. */
  | { readonly kind: 'note'; readonly text: string };
