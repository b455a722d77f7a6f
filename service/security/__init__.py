"""Who may ask: API keys and their scopes, limits for each key, origins, TLS, and the headers of every response."""
