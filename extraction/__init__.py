"""Extraction: applies a recipe to a page and gives items, or the reason why there are none.

Pure: it never fetches. The entry points are `extraction.extract.extract` and `extraction.explain.explain`.
"""
