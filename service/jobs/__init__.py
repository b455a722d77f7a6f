"""Documents that a running server takes: accepted durably, applied in the background, told of as jobs."""
