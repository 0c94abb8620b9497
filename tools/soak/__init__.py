"""Makes requests for a long time while the token endpoint fails at random."""
