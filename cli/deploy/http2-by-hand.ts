/**
 * One HTTP/2 request (RFC 9113), written by hand: Node's own client refuses to send the fields whose refusal is to be seen.
 */
import type { Socket } from 'node:net'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const FRAME_HEAD_BYTES = 9

const HEADERS = 1
const RST_STREAM = 3
const SETTINGS = 4
const GOAWAY = 7

const END_STREAM = 0x1
const END_HEADERS = 0x4
const PADDED = 0x8
const PRIORITY = 0x20

/** RFC 7541, appendix A: `:status 400`, as an indexed field. */
const STATUS_400 = 0x8c

/** Sends a request of these fields, in this order, on a socket that speaks h2; a 400, a reset or a closed door is a refusal. */
export async function exchangeHttp2(
  socket: Socket,
  fields: Record<string, string>,
): Promise<'answered' | 'refused'> {
  socket.write(PREFACE)
  socket.write(frame(SETTINGS, 0, 0, Buffer.alloc(0)))
  socket.write(
    frame(HEADERS, END_STREAM | END_HEADERS, 1, Buffer.concat(Object.entries(fields).map(literal))),
  )
  let received = Buffer.alloc(0)
  try {
    for await (const chunk of socket) {
      received = Buffer.concat([received, Buffer.from(chunk)])
      while (received.length >= FRAME_HEAD_BYTES) {
        const length = received.readUIntBE(0, 3)
        if (received.length < FRAME_HEAD_BYTES + length) break
        const outcome = outcomeOf(received, length)
        if (outcome !== undefined) return outcome
        received = received.subarray(FRAME_HEAD_BYTES + length)
      }
    }
  } catch {
    // Cut off: refused.
  } finally {
    socket.destroy()
  }
  return 'refused'
}

function outcomeOf(received: Buffer, length: number): 'answered' | 'refused' | undefined {
  const type = received.readUInt8(3)
  if (type === RST_STREAM || type === GOAWAY) return 'refused'
  if (type !== HEADERS) return undefined
  const flags = received.readUInt8(4)
  const skipped = (flags & PADDED ? 1 : 0) + (flags & PRIORITY ? 5 : 0)
  const block = received.subarray(FRAME_HEAD_BYTES + skipped, FRAME_HEAD_BYTES + length)
  return statusByte(block) === STATUS_400 ? 'refused' : 'answered'
}

/** The status comes first, after updates of the table's size (RFC 7541, section 6.3). */
function statusByte(block: Buffer): number | undefined {
  const bytes = [...block]
  while (((bytes[0] ?? 0) & 0xe0) === 0x20) {
    const size = bytes.shift()
    if (size === 0x3f) bytes.splice(0, bytes.findIndex((byte) => byte < 0x80) + 1)
  }
  return bytes[0]
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A field with its name spelled out, in no table, without Huffman's code (RFC 7541, section 6.2.2). */
function literal([name, value]: [string, string]): Buffer {
  return Buffer.concat([Buffer.from([0]), prefixed(name), prefixed(value)])
}

function prefixed(text: string): Buffer {
  const bytes = Buffer.from(text)
  // An integer with a prefix of 7 bits (RFC 7541, section 5.1).
  const length =
    bytes.length < 127
      ? [bytes.length]
      : [127, ((bytes.length - 127) & 0x7f) | 0x80, (bytes.length - 127) >> 7]
  return Buffer.concat([Buffer.from(length), bytes])
}
