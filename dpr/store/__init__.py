"""What an index is on disk: passages, arrays, manifests, and generations published as a whole or not at all."""
