/** Rewrites what a WebSocket server sends (RFC 6455, 5.2) before ws reads it, so that no message has to be
 *  held whole that is larger than allowed. ws knows no other answer to such a message than to end the
 *  connection, and a server that repeats it would end every one.
 *
 *  - `cut`: of a message above the limit only the first bytes pass; the rest is read over. The message keeps
 *  its place among the others, and its size is told.
 *  - `split`: of a stream of bytes in messages (MQTT), frames that are large, or fragments, become messages
 *  of their own, which is the same stream [MQTT-6.0.0-2].
 *
 *  Input that cannot be parsed (an answer that is no upgrade, masked frames, lengths beyond reason) passes as
 *  it is: ws judges it. */

/** Bytes that are kept of a message that is cut. */
export const KEPT_BYTES_MAX = 1_024;
const HEAD_BYTES_MAX = 64 * 1024;
const SPLIT_ABOVE_BYTES = 64 * 1024;

const NOTHING = Buffer.alloc(0);

const FIN = 0x80;
const OPCODE = 0x0f;
const BINARY = 0x2;
const CONTROL = 0x8;

export interface WebSocketFrames {
  /** Takes the next bytes of the server; returns what ws is to read. */
  push(bytes: Buffer): Buffer[];
  /** With `cut`: the size of the message with this number, from 0, if it was cut. Forgets it. */
  cutBytes(message: number): number | undefined;
}

export type FrameRule =
  | { readonly kind: 'cut'; readonly messageBytesMax: number }
  | { readonly kind: 'split' };

/** How the frame that has begun is rewritten. */
interface Plan {
  /** Bytes of its payload that pass, from the front. */
  passBytes: number;
  /** Of its payload, those that have not come. */
  leftBytes: number;
  /** Each piece of it becomes a message. */
  readonly isSplit: boolean;
  /** It is the last frame of a message that is cut. */
  readonly endsCut: boolean;
}

export function webSocketFrames(rule: FrameRule): WebSocketFrames {
  return new Frames(rule);
}

class Frames implements WebSocketFrames {
  readonly #rule: FrameRule;
  #phase: 'head' | 'frames' | 'as it is' = 'head';
  /** Bytes of the answer's head, or of a frame's header, that are not complete. */
  #begun: Buffer = NOTHING;
  #plan: Plan | null = null;
  /** Of the message that has begun: its bytes so far, those that passed, whether it is cut. */
  #messageBytes = 0;
  #passedBytes = 0;
  #isCut = false;
  #isBinary = false;
  /** Messages that ended. */
  #messages = 0;
  readonly #cut = new Map<number, number>();

  constructor(rule: FrameRule) {
    this.#rule = rule;
  }

  cutBytes(message: number): number | undefined {
    const bytes = this.#cut.get(message);
    this.#cut.delete(message);
    return bytes;
  }

  push(bytes: Buffer): Buffer[] {
    const out: Buffer[] = [];
    let rest = this.#begun.length === 0 ? bytes : Buffer.concat([this.#begun, bytes]);
    this.#begun = NOTHING;
    if (this.#phase === 'head') rest = this.#readHead(rest, out);
    while (rest.length > 0) {
      if (this.#phase === 'as it is') {
        out.push(rest);
        break;
      }
      if (this.#plan === null) {
        const headerBytes = this.#readHeader(rest, out);
        if (headerBytes === 0) {
          if (this.#phase !== 'frames') continue;
          this.#begun = rest;
          break;
        }
        rest = rest.subarray(headerBytes);
      }
      if (this.#plan !== null) rest = this.#readPayload(this.#plan, rest, out);
    }
    return out;
  }

  /** Lets the answer to the handshake pass. Returns what is behind it. */
  #readHead(bytes: Buffer, out: Buffer[]): Buffer {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0 && bytes.length <= HEAD_BYTES_MAX) {
      this.#begun = bytes;
      return NOTHING;
    }
    const isUpgrade = end >= 0 && bytes.toString('latin1', 0, 16).startsWith('HTTP/1.1 101 ');
    this.#phase = isUpgrade ? 'frames' : 'as it is';
    if (!isUpgrade) return bytes;
    out.push(bytes.subarray(0, end + 4));
    return bytes.subarray(end + 4);
  }

  /** Reads a frame's header and makes its plan. Returns its length, 0 where it is not complete, or not to be
   *  read. */
  #readHeader(bytes: Buffer, out: Buffer[]): number {
    if (bytes.length < 2) return 0;
    const [first = 0, second = 0] = bytes;
    const short = second & 0x7f;
    const headerBytes = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < headerBytes) return 0;
    const length =
      short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    const isMasked = (second & 0x80) !== 0;
    const isReserved = (first & 0x70) !== 0;
    if (isMasked || isReserved || !Number.isSafeInteger(length)) {
      this.#phase = 'as it is';
      return 0;
    }
    const header = bytes.subarray(0, headerBytes);
    this.#plan =
      (first & OPCODE) >= CONTROL ? this.#whole(header, length, out) : this.#dataPlan(header, length, out);
    return headerBytes;
  }

  #whole(header: Buffer, length: number, out: Buffer[]): Plan | null {
    out.push(header);
    return length === 0 ? null : { passBytes: length, leftBytes: length, isSplit: false, endsCut: false };
  }

  #dataPlan(header: Buffer, length: number, out: Buffer[]): Plan | null {
    const first = header[0] as number;
    if (this.#rule.kind === 'split') {
      if ((first & OPCODE) !== 0) this.#isBinary = (first & OPCODE) === BINARY;
      const isSmall = first === (FIN | BINARY) && length <= SPLIT_ABOVE_BYTES;
      if (!this.#isBinary || isSmall) return this.#whole(header, length, out);
      return length === 0 ? null : { passBytes: length, leftBytes: length, isSplit: true, endsCut: false };
    }
    const isLast = (first & FIN) !== 0;
    this.#messageBytes += length;
    this.#isCut ||= this.#messageBytes > this.#rule.messageBytesMax;
    if (!this.#isCut) {
      this.#passedBytes += length;
      if (isLast) this.#endMessage();
      return this.#whole(header, length, out);
    }
    const passBytes = Math.max(0, Math.min(length, KEPT_BYTES_MAX - this.#passedBytes));
    this.#passedBytes += passBytes;
    const isFirst = (first & OPCODE) !== 0;
    // The end of the message is told only when all of it has come.
    if (isFirst || passBytes > 0) out.push(frameHeader(first & OPCODE, passBytes));
    if (length === 0 && isLast) this.#endCut(out);
    return length === 0 ? null : { passBytes, leftBytes: length, isSplit: false, endsCut: isLast };
  }

  /** Takes what has come of a frame's payload. Returns what is behind it. */
  #readPayload(plan: Plan, bytes: Buffer, out: Buffer[]): Buffer {
    const piece = bytes.subarray(0, Math.min(plan.leftBytes, bytes.length));
    const passing = piece.subarray(0, Math.min(plan.passBytes, piece.length));
    if (plan.isSplit && piece.length > 0) out.push(frameHeader(FIN | BINARY, piece.length));
    if (passing.length > 0) out.push(passing);
    plan.passBytes -= passing.length;
    plan.leftBytes -= piece.length;
    if (plan.leftBytes === 0) {
      this.#plan = null;
      if (plan.endsCut) this.#endCut(out);
    }
    return bytes.subarray(piece.length);
  }

  #endCut(out: Buffer[]): void {
    this.#cut.set(this.#messages, this.#messageBytes);
    out.push(frameHeader(FIN, 0));
    this.#endMessage();
  }

  #endMessage(): void {
    this.#messages++;
    this.#messageBytes = 0;
    this.#passedBytes = 0;
    this.#isCut = false;
  }
}

function frameHeader(first: number, length: number): Buffer {
  if (length < 126) return Buffer.of(first, length);
  if (length < 65_536) return Buffer.of(first, 126, length >> 8, length & 0xff);
  const header = Buffer.alloc(10);
  header[0] = first;
  header[1] = 127;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}
