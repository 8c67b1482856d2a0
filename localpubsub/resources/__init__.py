"""The resources of the API (topics, subscriptions, filters): validation and limits. Pure."""
