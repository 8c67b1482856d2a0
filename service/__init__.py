"""What both Cloud Run services share at their edge: settings, logs, publishing, guarded fetching."""
