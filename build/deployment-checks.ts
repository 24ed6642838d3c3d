/** What only a deployment can show, checked from outside: `npm run verify:deployment -- https://…` runs these. */

export interface DeploymentCheck {
  /** The requirements that it shows, as docs/security-requirements.md names them. */
  ids: readonly [string, ...string[]]
  name: string
  /** Throws, with what it saw, when the deployment at `origin` does not do it. */
  run(origin: string): Promise<void>
}

export const deploymentChecks: readonly DeploymentCheck[] = []
