"""The protocol of a renewal over a shared store, as a model that is explored exhaustively."""
