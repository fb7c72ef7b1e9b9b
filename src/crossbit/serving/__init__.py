"""Serving: search, encoding and upkeep of indexes over HTTP, a page for people, and a client."""
