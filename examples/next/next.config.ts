import type { NextConfig } from 'next'

const config: NextConfig = {
  // It has a binary, which no bundler can take in.
  serverExternalPackages: ['@node-rs/argon2'],
  // The pages that mailed links open, and what a problem's type leads to.
  rewrites: async () =>
    ['verify', 'reset', 'stop', 'problems'].map((name) => ({
      source: `/auth/${name}`,
      destination: `/auth/${name}.html`,
    })),
  // This project's own folder, whatever lock file lies above it.
  turbopack: { root: import.meta.dirname },
}

export default config
