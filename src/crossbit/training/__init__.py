"""Training: the loop, the minimax game, checkpoints, and what watches over them."""
