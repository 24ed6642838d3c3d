/** What becomes of a request for a mail: the same for an address that is known and one that is not. */
import { owedMail, type OwedMail, type OwedMailRow } from './outbox.ts'
import type { BucketWaits } from './rate-limits.ts'

export type MailRequest =
  | { kind: 'limited'; waitSeconds: number }
  /** `mail` is undefined when there is nobody to write to or enough was written already. */
  | { kind: 'accepted'; mail: OwedMail | undefined }

export type MailRequestRow = BucketWaits & { mail: OwedMailRow | null }

/** An empty bucket of the source is told; one of the address is not, so a mailbox cannot be flooded or probed. */
export function mailRequest(row: MailRequestRow | undefined): MailRequest {
  if (row === undefined) throw new Error('the statement answered no row')
  if (row.source_wait_seconds !== null) return { kind: 'limited', waitSeconds: row.source_wait_seconds }
  return { kind: 'accepted', mail: row.mail === null ? undefined : owedMail(row.mail) }
}
