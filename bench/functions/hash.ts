/** A check of a password and nothing else. */
import { verify } from '@node-rs/argon2'

const { BENCH_PASSWORD = '', BENCH_PASSWORD_HASH = '' } = process.env

export default {
  async fetch(): Promise<Response> {
    return Response.json({ ok: await verify(BENCH_PASSWORD_HASH, BENCH_PASSWORD) })
  },
}
