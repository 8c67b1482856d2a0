"""What both Cloud Run services share at their edge: settings, logs, confirmed publishing."""
