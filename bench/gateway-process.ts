/**
 * The gateway to the database in a process of its own, so that it does not wait for the load; beside it an email provider that
 * takes everything. Told the latency to add by its parent, which it does not outlive.
 */
import { createServer } from 'node:http'
import { startGateway } from '../dev/gateway.ts'
import { listen, LOOPBACK } from '../dev/port.ts'

export interface GatewayReady {
  gatewayUrl: string
  emailUrl: string
}

export interface GatewayOrder {
  latencyMs: number
}

const gateway = await startGateway({ port: 0 })
let emails = 0
const provider = createServer((request, response) => {
  request.resume().on('end', () => {
    emails += 1
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ id: `mail-${emails}` }))
  })
})
const ready: GatewayReady = {
  gatewayUrl: gateway.url,
  emailUrl: `http://${LOOPBACK}:${await listen(provider, 0)}`,
}
process.on('message', ({ latencyMs }: GatewayOrder) => {
  gateway.fault = latencyMs === 0 ? undefined : () => ({ kind: 'delay-request', milliseconds: latencyMs })
  process.send?.('done')
})
process.on('disconnect', () => process.exit())
process.send?.(ready)
