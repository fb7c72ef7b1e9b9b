"""One way to fit: configuration, run folder, fit, grid of trials, worker processes."""
