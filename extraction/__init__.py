"""Applies a recipe to a page and returns items, or raises ExtractionError with the reason.

Pure: it never fetches. The entry points are `extraction.extract.extract` and `extraction.explain.explain`.
"""
