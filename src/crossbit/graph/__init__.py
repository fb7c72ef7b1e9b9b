"""Nearest neighbours and the correlation graph of the training rows."""
