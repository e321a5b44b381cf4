"""Code packages: content-addressed, verified, unpacked once per content, shared read-only."""
