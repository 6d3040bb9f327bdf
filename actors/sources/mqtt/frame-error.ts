/** What came is no MQTT, or more than allowed. */
export class FrameError extends Error {
  /** The length of a frame that is too large, else null. */
  readonly frameBytes: number | null;

  constructor(message: string, frameBytes: number | null = null) {
    super(message);
    this.frameBytes = frameBytes;
  }
}

/** A message is malformed, and where it ends is known all the same. */
export class MalformedMessage extends Error {}
