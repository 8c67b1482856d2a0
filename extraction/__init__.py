"""Extraction: a recipe and a page in, items out, or the reason why not. It never fetches.

The worker runs it on pages it fetched, `scrapeq try` on those and on files, with the same result.
"""
