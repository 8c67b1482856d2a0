"""Calculates what a run costs: prices, forecast and bill."""
