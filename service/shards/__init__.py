"""A router and its nodes: one collection in shards, each served by other processes."""
