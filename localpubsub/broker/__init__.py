"""Topics and subscriptions at run time: routing, delivery state, seek, snapshots, expiration."""
