import type { NextConfig } from 'next'

const config: NextConfig = {
  // A native module, which can't be bundled.
  serverExternalPackages: ['@node-rs/argon2'],
  // The pages that emailed links open, and the one that a problem's type links to.
  rewrites: async () =>
    ['verify', 'reset', 'cancel', 'problems'].map((name) => ({
      source: `/auth/${name}`,
      destination: `/auth/${name}.html`,
    })),
  // This folder, even if there is a lock file above it.
  turbopack: { root: import.meta.dirname },
}

export default config
