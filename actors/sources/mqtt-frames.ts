/** Watches the bytes of a link for packets that are too large, before anything buffers them: the length of an
 *  MQTT packet stands in its first five bytes (MQTT 5.0, 2.1). Reads lengths only; the packets are
 *  mqtt.js’s. */

export interface FrameWatch {
  /** Takes the next bytes. Gives the length of the first packet that is larger than allowed, else null. A
   *  length that is no MQTT length is left to the parser to refuse. */
  push(bytes: Uint8Array): number | null;
}

export function frameWatch(frameBytesMax: number): FrameWatch {
  /** Bytes of the current packet still to come; null within its header. */
  let remaining: number | null = null;
  let length = 0;
  let lengthBytes = 0;
  let typeSeen = false;

  const startPacket = () => {
    remaining = null;
    length = 0;
    lengthBytes = 0;
    typeSeen = false;
  };
  /** Takes one byte of a header. */
  const readHeader = (byte: number): void => {
    if (!typeSeen) {
      typeSeen = true;
      return;
    }
    length += (byte & 0x7f) * 128 ** lengthBytes;
    lengthBytes++;
    if ((byte & 0x80) === 0 || lengthBytes === 4) remaining = length;
  };

  return {
    push(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (remaining === null) {
          readHeader(bytes[at] as number);
          at++;
        }
        if (remaining === null) continue;
        if (remaining > frameBytesMax) return remaining;
        const taken = Math.min(remaining, bytes.length - at);
        at += taken;
        remaining -= taken;
        if (remaining === 0) startPacket();
      }
      return null;
    },
  };
}
