"""Validates the resources of the API (topics, subscriptions, filters) and defines their limits. Pure."""
