"""The benchmark of the paper: what a grid is asked for, its results, tables and figures."""
