"""Testbeds that show which frequencies an image network learns, and which it misses.

Imports point one way: experiment → report → plots → results, and generator_run, discriminator_run → run → training →
history, checkpoints → evaluation. None of this is installed; every spectral operation is public `specops`.
"""
