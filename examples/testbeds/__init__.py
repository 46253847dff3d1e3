"""Testbeds that show which frequencies an image network learns, and which it misses.

Imports point one way: generator_experiment → report → plots → results, and generator_experiment → generator_run →
networks, history, checkpoints → evaluation. None of this is installed; every spectral operation is public `specops`.
"""
