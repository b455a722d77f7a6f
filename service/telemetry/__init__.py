"""What a running server tells of itself: metrics, log lines, traces, and the timings of each response."""
