"""What all studies share: options, measures, the training loop, checkpoints and records."""
