"""Adversarial training at small scale: fixes of the frequency bias, each a hook into one training step.

Imports point one way: report, loop → run → objectives, loader, evaluation → architectures, losses, fixes, sources →
draws. Checkpoints, histories, folders and pages are those of `testbeds`; every spectral operation is public `specops`.
"""
