"""Adversarial training at small scale: fixes of the frequency bias, each a hook into one training step."""
