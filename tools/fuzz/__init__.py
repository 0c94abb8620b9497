"""Reads any bytes as the answer of a token endpoint, or as a record of a store."""
