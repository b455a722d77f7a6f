"""An index on disk: passages, arrays, manifests, and generations that are published as a whole or not at all."""
