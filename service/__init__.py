"""What both Cloud Run services share at their edge: settings, logs, who may push, publishing, fetching."""
