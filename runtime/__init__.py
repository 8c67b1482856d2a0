"""Provides what each service needs at its start: settings from the environment, and structured logs."""
